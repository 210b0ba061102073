bats_require_minimum_version 1.5.0
load helpers

# The native API with a daemon, as tests/unit/api is without; and the examples.

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
teardown() { stop_all; }

# start_server EXAMPLE: and set $port
start_server() {
  serve bare "$@"
  within 10 grep -q '^port ' "$server_log"
  port=$(sed -n 's/^port //p' "$server_log")
}

# api WAY
api() {
  way "$1"
  # a process holds its lock in hold.c for life: to TSan half of a dead-lock
  TSAN_OPTIONS=detect_deadlocks=0 API_SHM=$1 "$top_builddir/tests/unit/api" > "$BATS_TEST_TMPDIR/log" ||
    { cat "$BATS_TEST_TMPDIR/log"; false; }
}

@test "every function of sapi.h behaves over shared memory as over the kernel" {
  api session
}

@test "every function of sapi.h behaves over links as over the kernel" {
  api link
}

@test "echo_server gives back what echo_client sends" {
  start_server "$top_builddir/examples/echo_server" 127.0.0.1 0
  run -0 "$top_builddir/examples/echo_client" 127.0.0.1 "$port" 2000 1000
  [[ $output == "2000 messages of 1000 bytes through shared memory"* ]]
  run -0 "$top_builddir/examples/echo_client" 127.0.0.1 "$port" 100 65536
  [[ $output == *"through shared memory"* ]]
}

@test "epoll_server serves several at once, and standard input" {
  local pids=() pid i
  mkfifo "$BATS_TEST_TMPDIR/stdin"
  "$top_builddir/examples/epoll_server" 127.0.0.1 0 \
    < "$BATS_TEST_TMPDIR/stdin" > "$BATS_TEST_TMPDIR/out" 3>&- &
  server=$!
  exec 8> "$BATS_TEST_TMPDIR/stdin"
  within 10 grep -q '^port ' "$BATS_TEST_TMPDIR/out"
  port=$(sed -n 's/^port //p' "$BATS_TEST_TMPDIR/out")
  for i in 1 2 3 4; do
    "$top_builddir/examples/echo_client" 127.0.0.1 "$port" 5000 "$((i * 5000))" \
      8>&- 3>&- > "$BATS_TEST_TMPDIR/client$i" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid"
  done
  [ "$(grep -l 'through shared memory' "$BATS_TEST_TMPDIR"/client* | wc -l)" = 4 ]
  exec 8>&-
  within 10 gone "$server"
  wait "$server"
}

@test "a native server and a preloaded client meet" {
  need nc
  start_server "$top_builddir/examples/echo_server" 127.0.0.1 0
  SAPI_LOG=debug run -0 --separate-stderr \
    preload nc -N -w 5 127.0.0.1 "$port" <<< hello
  [ "$output" = hello ]
  # shellcheck disable=SC2154
  [[ $stderr == *"attached as app"* && $stderr != *"stays with the kernel"* ]]
}

@test "the examples run without a daemon" {
  export SAPI_SOCKET=$BATS_TEST_TMPDIR/none
  start_server "$top_builddir/examples/echo_server" 127.0.0.1 0
  run -0 "$top_builddir/examples/echo_client" 127.0.0.1 "$port" 100 100
  [[ $output == *"through the kernel"* ]]
}
