#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
  start_sapid
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 50 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$BATS_FILE_TMPDIR/root/small"
}
teardown_file() { stop_sapid; }
setup() { need nginx; }
teardown() { stop_all; }

# web MODE [SENDFILE [DAEMON]]: two workers on $port, of the nginx in $dir
web() {
  dir=$(mktemp -d "$BATS_TEST_TMPDIR/nginx.XXXXXX")
  free_port
  nginx_conf "$dir" 2 "127.0.0.1:$port" "sendfile ${2:-on};" "${3:-off}" \
    > "$dir/nginx.conf"
  if [ "${3:-off}" = off ]; then
    serve "$1" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  else
    # by its path, which it needs to run itself again
    as "$1" "$(command -v nginx)" -e "$dir/error.log" -c "$dir/nginx.conf" 3>&-
    within 10 test -s "$dir/pid"
    servers+=("$(cat "$dir/pid")") # of its group, and so a new one's
    export server_log=$dir/error.log # for wait_port
  fi
  wait_port "$port"
}

fetch() {
  as "$1" timeout 60 curl -sS --fail "http://127.0.0.1:$port/$2"
}

large() {
  local sendfile
  for sendfile in on off; do
    web "$1" "$sendfile"
    [ "$(fetch "$2" small)" = hello ]
    fetch "$2" large | hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
    stop_all
  done
}

@test "nginx: a file of 50 MiB, by sendfile and by write" {
  need_preloaded curl --version
  each_pair_and_way large
}

many() {
  web "$1"
  # one connection, then one connection each
  as "$2" timeout 60 curl -sS --fail "http://127.0.0.1:$port/small?[1-200]" \
    > "$BATS_TEST_TMPDIR/out"
  [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 200 ]
  as "$2" timeout 60 curl -sS --fail -H 'Connection: close' \
    "http://127.0.0.1:$port/small?[1-200]" > "$BATS_TEST_TMPDIR/out"
  [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 200 ]
}

@test "nginx: many small files, with keep-alive and without" {
  need_preloaded curl --version
  each_pair_and_way many
}

loaded() {
  web "$1"
  by_ab "$2" 2000 "http://127.0.0.1:$port/small"
}

@test "nginx: twenty clients by ab" {
  need ab
  each_pair loaded
}

wrk_loaded() {
  web "$1"
  as "$2" timeout 60 wrk -t 2 -c 20 -d 1 "http://127.0.0.1:$port/small" \
    > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -q '[1-9][0-9]* requests in' "$BATS_TEST_TMPDIR/out"
  run ! grep -E 'Socket errors|Non-2xx' "$BATS_TEST_TMPDIR/out"
}

@test "nginx: two threads of clients by wrk" {
  need wrk
  each_pair wrk_loaded
}

# The new program inherits the listener by exec.
upgraded() {
  local old new clients
  web "$1" on on
  old=$(cat "$dir/pid")
  as "$2" timeout 60 ab -q -n 1500 -c 10 "http://127.0.0.1:$port/small" \
    > "$BATS_TEST_TMPDIR/out" 3>&- &
  clients=$!
  kill -USR2 "$old"
  within 20 test -s "$dir/pid.oldbin"
  within 20 test -s "$dir/pid"
  new=$(cat "$dir/pid")
  wait "$clients" # both serve them; who quits closes connections that idle
  kill -QUIT "$old"
  within 20 gone "$old"
  cat "$BATS_TEST_TMPDIR/out"
  grep -q '^Complete requests: *1500$' "$BATS_TEST_TMPDIR/out"
  grep -q '^Failed requests: *0$' "$BATS_TEST_TMPDIR/out"
  [ "$new" != "$old" ]
  [ "$(fetch "$2" small)" = hello ]
  kill -QUIT "$new"
  within 20 gone "$new"
}

@test "nginx: another binary takes over under load" {
  need ab
  need_preloaded curl --version
  each_pair upgraded
}
