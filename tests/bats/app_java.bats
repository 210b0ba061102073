#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
  start_sapid
  [ -z "${SAPI_LONG:-}" ] || ! command -v javac > /dev/null ||
    javac -d "$BATS_FILE_TMPDIR" "$top_srcdir/tests/bats/Talk.java"
}
teardown_file() { stop_sapid; }
setup() {
  long
  need javac
  need_preloaded java -version
  talk=(java -cp "$BATS_FILE_TMPDIR" Talk)
}
teardown() { stop_all; }

server_up() {
  free_port
  http=$port
  free_port
  serve "$1" "${talk[@]}" serve "$port" "$http"
  wait_port "$http"
  wait_port "$port"
}

echoes() {
  local http
  server_up "$1"
  as "$2" timeout 120 "${talk[@]}" talk "$port" "$http" > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

@test "java: streams, channels and futures against a selector; HTTP" {
  each_pair echoes
}

# what the threads are told is what they are told in the kernel
closed() {
  local http
  server_up "$1"
  as "$2" timeout 120 "${talk[@]}" close "$port" > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
  [ -e "$BATS_TEST_TMPDIR/told" ] ||
    cp "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/told"
  diff "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/told"
}

@test "java: a connection is closed while another thread waits on it" {
  each_pair closed
}
