#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Root may do what others may not: the same once more as nobody, with the
# daemon too, from a place that nobody can read.

setup_file() {
  [ "$(id -u)" = 0 ] || skip "not root: every test runs as an ordinary user"
  command -v runuser > /dev/null || skip "no runuser"
  export OPEN_DIR
  OPEN_DIR=$(mktemp -d /tmp/sapi-nobody.XXXXXX)
  chmod 755 "$OPEN_DIR"
  install -m 755 "$SAPID" "$SAPI" "$PRELOAD_LIB" "$OPEN_DIR"
  export SAPID=$OPEN_DIR/sapid SAPI=$OPEN_DIR/sapi
  export PRELOAD_LIB=$OPEN_DIR/libsapi_preload.so
  start_sapid runuser -u nobody --
}
teardown_file() {
  [ -n "${OPEN_DIR:-}" ] || return 0
  stop_sapid
  rm -rf "$OPEN_DIR"
}
teardown() { stop_all; }

# runuser keeps the environment, LD_PRELOAD with it
nobody=(runuser -u nobody --)

as_nobody() {
  free_port
  serve "$1" "${nobody[@]}" redis-server --port "$port" --bind 127.0.0.1 \
    --save "" --appendonly no --dir /tmp
  wait_port "$port"
  as "$2" "${nobody[@]}" timeout 60 redis-benchmark -p "$port" -q -n 2000 \
    -t set,get
  [ "$(as "$2" "${nobody[@]}" redis-cli -p "$port" get key:__rand_int__)" = \
    VXK ]
}

@test "nobody: redis over shared memory without any privilege" {
  need redis-server redis-benchmark
  each_pair as_nobody
}
