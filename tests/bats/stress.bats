#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Random schedules on upgraded connections: some seconds here, SAPI_LONG=1 for
# SAPI_STRESS seconds (600) of each kind.

setup_file() {
  export BATS_TEST_TIMEOUT=1000
  if [ -n "$SAPI_LONG" ]; then
    export seconds=${SAPI_STRESS:-600}
    BATS_TEST_TIMEOUT=$((seconds + 300))
  else
    export seconds=5
  fi
}

# stress OPTION...
stress() {
  "$top_srcdir/tests/stress/run" --seconds "$seconds" "$@"
}

@test "stress: the kernel itself" {
  stress --bare
}

@test "stress: links" {
  stress
}

@test "stress: links whose peers are killed" {
  stress --kill peer
}

@test "stress: links, while the daemon is killed and comes back" {
  stress --kill daemon
}

@test "stress: links, while the daemon is stopped" {
  stress --stop daemon
}

@test "stress: links of Unix sockets" {
  stress --unix
}

@test "stress: links of Unix sockets whose peers are killed" {
  stress --unix --kill peer
}
