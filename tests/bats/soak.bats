#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# A mixed load with restarts of everything, and what is left of it: some seconds
# here, SAPI_LONG=1 for SAPI_SOAK seconds (3600).

soak() {
  [ -z "$SANITIZER_RUNTIME" ] || skip "a sanitizer keeps what is freed"
  need redis-server memcached nginx
  "$top_srcdir/tests/soak/run" "$@"
}

@test "soak: nothing is left of restarts and their connections" {
  soak --seconds 20 --sample 10
}

@test "soak: nothing is left of an hour of restarts" {
  long
  export BATS_TEST_TIMEOUT=$((${SAPI_SOAK:-3600} + 600))
  soak --seconds "${SAPI_SOAK:-3600}"
}
