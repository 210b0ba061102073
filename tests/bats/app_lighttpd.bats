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
setup() {
  long
  need lighttpd ab wget
  need_preloaded curl --version
}
teardown() { stop_all; }

# web HOW WORKERS EVENTS NETWORK
web() {
  free_port
  cat > "$BATS_TEST_TMPDIR/lighttpd.conf" << EOF
server.document-root = "$BATS_FILE_TMPDIR/root"
server.bind = "127.0.0.1"
server.port = $port
server.max-worker = $2
server.event-handler = "$3"
server.network-backend = "$4"
EOF
  serve "$1" lighttpd -D -f "$BATS_TEST_TMPDIR/lighttpd.conf"
  wait_port "$port"
}

loaded() {
  local setting
  for setting in "0 linux-sysepoll sendfile" "2 linux-sysepoll writev" \
    "0 poll write"; do
    # shellcheck disable=SC2086 # words
    web "$1" $setting
    as "$2" timeout 60 wget -q -O - "http://127.0.0.1:$port/large" |
      hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
    as "$2" timeout 60 curl -sS --fail --parallel --parallel-max 5 \
      "http://127.0.0.1:$port/large?[1-5]" -o "$BATS_TEST_TMPDIR/out.#1"
    for i in {1..5}; do
      hash_of < "$BATS_TEST_TMPDIR/out.$i" | diff - "$BATS_FILE_TMPDIR/hash"
    done
    by_ab "$2" 5000 "http://127.0.0.1:$port/small"
    stop_all
  done
}

@test "lighttpd: wget, curl in parallel, twenty clients by ab" {
  each_pair loaded
}
