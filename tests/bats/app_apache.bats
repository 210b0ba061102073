#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

modules=/usr/lib/apache2/modules

# root's apache has workers of another user, who can't read bats' folders
setup_file() {
  start_sapid_for_all
  mkdir "$SAPI_DIR/root"
  blob 50 "$SAPI_DIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$SAPI_DIR/root/small"
}
teardown_file() { stop_sapid; }
setup() {
  long
  need apache2 ab
  need_preloaded curl --version
  [ -d "$modules" ] || skip "no modules of apache"
}
teardown() { stop_all; }

# web HOW MPM SENDFILE: on $port, with the process number in $pidfile
web() {
  local dir
  dir=$(mktemp -d "$BATS_TEST_TMPDIR/apache.XXXXXX")
  pidfile=$dir/pid
  free_port
  {
    [ "$(id -u)" != 0 ] || printf '%s\n' "User www-data" "Group www-data"
    cat << EOF
LoadModule mpm_$2_module $modules/mod_mpm_$2.so
LoadModule authz_core_module $modules/mod_authz_core.so
ServerName localhost
DefaultRuntimeDir $dir
Mutex pthread
PidFile $pidfile
ErrorLog $dir/error.log
Listen 127.0.0.1:$port
KeepAlive On
MaxKeepAliveRequests 0
EnableSendfile ${3:-on}
EnableMMAP off
DocumentRoot $SAPI_DIR/root
EOF
  } > "$dir/apache.conf"
  serve "$1" apache2 -D FOREGROUND -f "$dir/apache.conf"
  wait_port "$port"
}

fetch() {
  as "$1" timeout 60 curl -sS --fail "http://127.0.0.1:$port/$2"
}

large() {
  local mpm sendfile
  for mpm in event prefork; do
    for sendfile in on off; do
      web "$1" "$mpm" "$sendfile"
      [ "$(fetch "$2" small)" = hello ]
      for _ in 1 2; do
        fetch "$2" large | hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
      done
      stop_all
    done
  done
}

@test "apache: a file of 50 MiB, by threads and processes, by sendfile and write" {
  each_pair large
}

loaded() {
  local mpm
  for mpm in event prefork; do
    web "$1" "$mpm"
    by_ab "$2" 5000 "http://127.0.0.1:$port/small"
    as "$2" timeout 60 curl -sS --fail \
      "http://127.0.0.1:$port/small?[1-500]" > "$BATS_TEST_TMPDIR/out"
    [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 500 ]
    stop_all
  done
}

@test "apache: twenty clients by ab, one by curl" {
  each_pair loaded
}

# new processes take over; nobody who asks meanwhile is refused
graceful() {
  local mpm n client
  for mpm in event prefork; do
    web "$1" "$mpm"
    serve "$2" timeout 100 curl -sS --fail -H 'Connection: close' \
      "http://127.0.0.1:$port/small?[1-1000]"
    client=$server
    for n in 100 300 500; do
      within 60 answered "$n"
      kill -USR1 "$(cat "$pidfile")"
    done
    within 60 gone "$client"
    [ "$(sort "$server_log" | uniq -c | tr -s ' ')" = " 1000 hello" ]
    stop_all
  done
}

answered() { [ "$(wc -l < "$server_log")" -ge "$1" ]; }

@test "apache: graceful restarts under load" {
  each_pair graceful
}
