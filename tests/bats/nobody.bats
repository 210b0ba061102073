#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Root may do what others may not: the same once more as nobody, with the
# daemon too, from a place that nobody can read.

nobody=(setpriv --reuid nobody --regid nogroup --clear-groups)

setup() {
  [ "$(id -u)" = 0 ] || skip "not root: every test runs as an ordinary user"
  need setpriv redis-server redis-benchmark
  open=$(mktemp -d /tmp/sapi-nobody.XXXXXX)
  chmod 755 "$open"
  install -m 755 "$SAPID" "$SAPI" "$PRELOAD_LIB" "$open"
  SAPID=$open/sapid SAPI=$open/sapi PRELOAD_LIB=$open/libsapi_preload.so
  start_sapid "${nobody[@]}"
}
teardown() {
  stop_all
  [ -n "${open:-}" ] || return 0
  rm -rf "$open"
  stop_sapid
}

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
  each_pair as_nobody
}
