#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# nginx with four workers: reloads and a change of the binary under load,
# several connections of one client, HTTP/2, and PHP behind it.

setup_file() {
  start_sapid
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 20 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$BATS_FILE_TMPDIR/root/small"
}
teardown_file() { stop_sapid; }
setup() {
  long
  need nginx wrk
  need_preloaded curl --version
}
teardown() {
  [ ! -s "${pidfile:-}" ] || kill -TERM "$(cat "$pidfile")" || true
  stop_all
}

# web HOW [LINE]: on $port, with LINE in its server
web() {
  local dir
  dir=$(mktemp -d "$BATS_TEST_TMPDIR/nginx.XXXXXX")
  pidfile=$dir/pid
  free_port
  {
    [ "$(id -u)" != 0 ] || echo "user root root;"
    cat << EOF
worker_processes 4;
daemon ${daemon:-off};
env LD_PRELOAD;
env SAPI_SOCKET;
env SAPI_CONFIG;
pid $pidfile;
error_log $dir/error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  sendfile on;
  keepalive_requests 1000000;
  server {
    listen 127.0.0.1:$port ${3:-};
    root $BATS_FILE_TMPDIR/root;
    ${2:-}
  }
}
EOF
  } > "$dir/nginx.conf"
  # it executes itself by this name
  serve "$1" "$(command -v nginx)" -e "$dir/error.log" -c "$dir/nginx.conf"
  wait_port "$port"
}

# load HOW: wrk, and who asks for one file after the other, each by a connection
# of its own
load_it() {
  serve "$1" timeout 100 wrk -t 2 -c 20 -d 6 "http://127.0.0.1:$port/small"
  wrk=$server wrk_log=$server_log
  serve "$1" timeout 100 curl -sS --fail -H 'Connection: close' \
    "http://127.0.0.1:$port/small?[1-2000]"
  many=$server many_log=$server_log
  serve "$1" timeout 100 curl -sS --fail -H 'Connection: close' \
    "http://127.0.0.1:$port/large?[1-20]" -o "$BATS_TEST_TMPDIR/out.#1"
  files=$server files_log=$server_log
}

# all_well: nobody was refused. A connection that is kept may be closed on the
# next request: what wrk counts as an error of reading is the kernel's, too.
all_well() {
  local i
  within 60 gone "$wrk"
  within 60 gone "$many"
  within 60 gone "$files"
  cat "$wrk_log"
  grep -q '[1-9][0-9]\{3,\} requests in' "$wrk_log"
  run ! grep -E 'Non-2xx|connect [1-9]|timeout [1-9]' "$wrk_log"
  [ "$(sort "$many_log" | uniq -c | tr -s ' ')" = " 2000 hello" ]
  cat "$files_log"
  for i in {1..20}; do
    hash_of < "$BATS_TEST_TMPDIR/out.$i" | diff - "$BATS_FILE_TMPDIR/hash"
    rm "$BATS_TEST_TMPDIR/out.$i"
  done
}

# workers: of the master PID, that still accept
workers() {
  ps -o pid=,args= --ppid "$1" | awk '/worker process$/ { print $1 }'
}

# others OLD...: four workers, and none of them is one of these
others() {
  local now
  now=$(workers "$(cat "$pidfile")")
  [ "$(wc -w <<< "$now")" = 4 ] &&
    ! grep -qwF "$1" <<< "$now"
}

reloaded() {
  local old
  web "$1"
  load_it "$2"
  for _ in 1 2 3; do
    old=$(workers "$(cat "$pidfile")")
    kill -HUP "$(cat "$pidfile")"
    within 30 others "$old"
  done
  all_well
}

@test "nginx: reload under load" {
  each_pair reloaded
}

# The new binary gets the listeners by exec; the old one is told to finish. Only
# a daemon does that.
changed() {
  local daemon=on old
  web "$1"
  load_it "$2"
  within 20 test -s "$pidfile"
  for _ in 1 2; do
    old=$(cat "$pidfile")
    kill -USR2 "$old"
    within 20 test -s "$pidfile.oldbin"
    within 20 test -s "$pidfile"
    kill -WINCH "$old"
    kill -QUIT "$old"
    within 60 gone "$old"
  done
  all_well
  # no longer of the group that stop_all knows
  old=$(cat "$pidfile")
  kill -QUIT "$old"
  within 20 gone "$old"
  pidfile=
}

@test "nginx: a change of the binary under load" {
  each_pair changed
}

http2() {
  web "$1" "" http2
  for _ in 1 2 3; do
    as "$2" timeout 60 curl -sS --fail --http2-prior-knowledge \
      "http://127.0.0.1:$port/large" | hash_of - |
      diff - "$BATS_FILE_TMPDIR/hash"
  done
}

@test "nginx: large files by HTTP/2" {
  each_pair http2
}

fpm=$(ls /usr/sbin/php-fpm* 2> /dev/null | tail -n 1)

php() {
  local root=() behind
  free_port
  behind=$port
  {
    printf '%s\n' '[global]' "error_log = $BATS_TEST_TMPDIR/fpm.log" \
      'daemonize = no' '[www]' "listen = 127.0.0.1:$behind" 'pm = static' \
      'pm.max_children = 4' 'pm.max_requests = 100' \
      'php_admin_value[post_max_size] = 100M'
    [ "$(id -u)" != 0 ] || printf '%s\n' 'user = root' 'group = root'
  } > "$BATS_TEST_TMPDIR/fpm.conf"
  [ "$(id -u)" != 0 ] || root=(-R)
  serve "$1" "$fpm" -n "${root[@]}" -y "$BATS_TEST_TMPDIR/fpm.conf"
  wait_port "$behind"
  web "$1" "location /hash.php {
      client_max_body_size 100m;
      fastcgi_pass 127.0.0.1:$behind;
      fastcgi_param SCRIPT_FILENAME \$document_root/hash.php;
      fastcgi_param REQUEST_METHOD \$request_method;
      fastcgi_param CONTENT_LENGTH \$content_length;
      fastcgi_param QUERY_STRING \$query_string;
    }"
  # the body comes back as its hash, and a large file goes out
  cat > "$BATS_FILE_TMPDIR/root/hash.php" << 'EOF'
<?php
if (isset($_GET["file"])) {
  readfile(__DIR__ . "/large");
} else {
  echo hash("sha256", file_get_contents("php://input")), "\n";
}
EOF
  as "$2" timeout 60 curl -sS --fail -H "Expect:" \
    --data-binary "@$BATS_FILE_TMPDIR/root/large" \
    "http://127.0.0.1:$port/hash.php" | diff - "$BATS_FILE_TMPDIR/hash"
  as "$2" timeout 60 curl -sS --fail "http://127.0.0.1:$port/hash.php?file=1" |
    hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
  as "$2" timeout 60 wrk -t 2 -c 20 -d 3 "http://127.0.0.1:$port/hash.php" \
    > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -q '[1-9][0-9][0-9]* requests in' "$BATS_TEST_TMPDIR/out"
  run ! grep -E 'Socket errors|Non-2xx' "$BATS_TEST_TMPDIR/out"
}

@test "nginx: four processes of PHP behind it" {
  [ -n "$fpm" ] || skip "no php-fpm"
  each_pair php
}
