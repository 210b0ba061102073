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

# nginx MODE: two workers on $port
web() {
  local dir
  dir=$(mktemp -d "$BATS_TEST_TMPDIR/nginx.XXXXXX")
  free_port
  {
    # the workers of root's nginx are nobody's, who can't read our folder
    [ "$(id -u)" != 0 ] || echo "user root root;"
    cat << END
worker_processes 2;
daemon off;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  sendfile ${2:-on};
  server { listen 127.0.0.1:$port; root $BATS_FILE_TMPDIR/root; }
}
END
  } > "$dir/nginx.conf"
  serve "$1" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
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
