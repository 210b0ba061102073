#!/usr/bin/env bats
# vpp_threads.bats - a real VPP with two worker threads, and with private queues
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers
load udp_helpers

setup() {
  find_vpp || skip "A REAL VPP IS NOT TESTED: $vpp_why"
  need unshare
  [ "$(id -u)" = 0 ] || skip "VPP'S THREADS ARE NOT TESTED: needs root"
}
teardown() {
  stop_all
  if [ "${cable:-no}" = yes ]; then cut_cable; else stop_vpp; fi
}

# VPP wants a CPU for each thread, to pin it there. It is told of four, and its
# threads run wherever there is room.
# four_cpus: sets $on_four, the words before a command
four_cpus() {
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
  on_four=(unshare -m sh -c 'for f in online present possible; do
      mount --bind "$0" /sys/devices/system/cpu/$f || exit; done; exec "$@"'
    "$dir/cpus" env "LD_PRELOAD=$dir/unpinned.so")
}

two_workers="cpu { main-core 0 corelist-workers 1,2 }"

has_two_workers() {
  vppctl show threads > "$BATS_TEST_TMPDIR/threads"
  cat "$BATS_TEST_TMPDIR/threads"
  [ "$(grep -c vpp_wk_ "$BATS_TEST_TMPDIR/threads")" = 2 ]
}

# start_threads [MORE]
start_threads() {
  four_cpus
  start_vpp "" "plugins { plugin default { disable } } $two_workers ${1:-}" \
    "${on_four[@]}"
  has_two_workers
}

# One server for each VPP, and many at its end: VPP may refuse to everybody a
# server that is idle after many have gone ("Congested for good"), and may die when
# that one ends (docs/vpp.md).
all_scenes() {
  local resets=""
  ! is_since 26.02 || resets="reset abort"
  # shellcheck disable=SC2086 # a list
  scenes 127.0.0.1 127.0.0.1 echo digest large half_close $resets late many
}

@test "VPP with two worker threads: bytes, closes, a full window, a hundred at once" {
  start_threads
  all_scenes
}

@test "VPP with two worker threads: a thousand at once" {
  start_threads
  ulimit -n 4096
  scenes 127.0.0.1 127.0.0.1 crowd
}

@test "VPP with two worker threads: a server that forks for each connection" {
  start_threads
  forking_server
}

# What comes from the cable is seen by the other thread than the one that has
# the session, which then follows.
@test "VPP with two worker threads, a cable: sessions of UDP migrate" {
  four_cpus
  lay_cable "" "$two_workers" "${on_four[@]}" || need_cable
  has_two_workers
  on_cable
  SAPI_RULES='use vpp udp_* *:* require'
  export SAPI_RULES
  for worker in 0 1; do
    vppctl set interface rx-placement host-vpp queue 0 worker "$worker"
    # shellcheck disable=SC2086 # words
    udp_right ask 127.0.0.1 $udp_wire $udp_connected
    there_echo 10.10.0.2
    # shellcheck disable=SC2086
    SAPI_LOG=debug:$BATS_TEST_TMPDIR/log.$worker udp_same ask 10.10.0.2 "$port" \
      $udp_wire $udp_connected
    stop_all
  done
  # on one of the two it is the other thread
  cat "$BATS_TEST_TMPDIR"/log.? | grep -c migrated
}

@test "VPP with private queues: bytes, closes, a full window, a hundred at once" {
  start_threads "session { use-private-rx-mqs }"
  all_scenes
}
