#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Programs that have another preload as well, before or behind ours, and programs
# with a sanitizer in them: what they say to each other moves all the same.

python=/usr/bin/python3

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() {
  [ -z "$SANITIZER_RUNTIME" ] || skip "instrumented build"
  need "$python"
}
teardown() { stop_all; }

# talks COMMAND...: two ends run by it, who check every byte
talks() {
  local before
  before=$(sessions)
  free_port
  serve bare "$@" "$python" "$top_srcdir/tests/bats/talk.py" serve 127.0.0.1 "$port" x
  wait_port "$port"
  serve bare "$@" "$python" "$top_srcdir/tests/bats/talk.py" talk 127.0.0.1 "$port" x
  within 60 grep -qx ready "$server_log" || { cat "$server_log"; return 1; }
  stop_all
  [ "$(sessions)" -gt "$before" ]
}

# beside MODULE VARIABLE...: either of the two first
beside() {
  local module
  module=$(library "$1")
  [ -n "$module" ] || skip "no $1"
  talks env "${@:2}" LD_PRELOAD="$module:$PRELOAD_LIB"
  talks env "${@:2}" LD_PRELOAD="$PRELOAD_LIB:$module"
}

@test "preloads: jemalloc" {
  beside libjemalloc.so.2
}

@test "preloads: tcmalloc" {
  beside libtcmalloc_minimal.so.4
}

@test "preloads: libfaketime, in the past, and where time stands still" {
  beside faketime/libfaketime.so.1 FAKETIME='@2001-02-03 04:05:06'
  beside faketime/libfaketime.so.1 FAKETIME='2001-02-03 04:05:06'
}

@test "preloads: stdbuf" {
  need stdbuf
  talks env LD_PRELOAD="$PRELOAD_LIB" stdbuf -oL
  talks stdbuf -oL env LD_PRELOAD="$PRELOAD_LIB"
}

# with_asan COMPILER OPTION...: server and client by sapi run
with_asan() {
  local before port program=$BATS_TEST_TMPDIR/idle
  need "$1"
  "$@" -g -fsanitize=address -o "$program" "$top_srcdir/tests/bats/idle.c" ||
    skip "no such sanitizer"
  export SAPI_PRELOAD=$PRELOAD_LIB
  before=$(sessions)
  serve bare "$SAPI" run --no-daemon "$program" serve "$BATS_TEST_TMPDIR/port"
  within 20 [ -s "$BATS_TEST_TMPDIR/port" ] || { cat "$server_log"; return 1; }
  port=$(cat "$BATS_TEST_TMPDIR/port")
  serve bare "$SAPI" run --no-daemon "$program" connect "$port" 4 100000
  within 60 grep -qx ready "$server_log" || { cat "$server_log"; return 1; }
  stop_all
  [ "$(sessions)" -gt "$before" ]
}

@test "preloads: a program with gcc's address sanitizer, a library of its own" {
  with_asan gcc
}

@test "preloads: a program with an address sanitizer that is linked into it" {
  with_asan gcc -static-libasan
}
