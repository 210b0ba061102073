#!/usr/bin/env bats
# vpp_threads.bats - a real VPP with two worker threads, and with private queues
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers

setup() {
  find_vpp || skip "A REAL VPP IS NOT TESTED: $vpp_why"
  need unshare
  [ "$(id -u)" = 0 ] || skip "VPP'S THREADS ARE NOT TESTED: needs root"
}
teardown() {
  stop_all
  stop_vpp
}

# VPP wants a CPU for each thread, to pin it there. It is told of four, and its
# threads run wherever there is room.
# start_threads [MORE]
start_threads() {
  local dir=$BATS_TEST_TMPDIR
  echo 0-3 > "$dir/cpus"
  cat > "$dir/unpinned.c" << 'END'
#define _GNU_SOURCE
#include <pthread.h>
int pthread_setaffinity_np(pthread_t t, size_t size, const cpu_set_t *set)
{
	return 0;
}
END
  # shellcheck disable=SC2086 # CC may be several words
  ${CC:-cc} -shared -fPIC -o "$dir/unpinned.so" "$dir/unpinned.c"
  # shellcheck disable=SC2016 # for the shell in there
  start_vpp "" "plugins { plugin default { disable } }
    cpu { main-core 0 corelist-workers 1,2 } ${1:-}" \
    unshare -m sh -c 'for f in online present possible; do
      mount --bind "$0" /sys/devices/system/cpu/$f || exit; done; exec "$@"' \
    "$dir/cpus" env "LD_PRELOAD=$dir/unpinned.so"
  vppctl show threads > "$dir/threads"
  cat "$dir/threads"
  [ "$(grep -c vpp_wk_ "$dir/threads")" = 2 ]
}

all="echo many digest large half_close late"

@test "VPP with two worker threads: bytes, closes, a full window, a thousand" {
  start_threads
  # shellcheck disable=SC2086 # a list
  scenes 127.0.0.1 127.0.0.1 $all
  ulimit -n 4096
  scenes 127.0.0.1 127.0.0.1 crowd
}

@test "VPP with two worker threads: resets" {
  need_reset
  start_threads
  scenes 127.0.0.1 127.0.0.1 reset abort
}

@test "VPP with two worker threads: a server that forks for each connection" {
  start_threads
  forking_server
}

@test "VPP with private queues: bytes, closes, a full window" {
  start_threads "session { use-private-rx-mqs }"
  # shellcheck disable=SC2086 # a list
  scenes 127.0.0.1 127.0.0.1 $all
}
