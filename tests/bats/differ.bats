#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Random calls, bare and preloaded: some seconds here, SAPI_LONG=1 for
# SAPI_DIFFER seconds (600) each way.

setup_file() {
  export seconds=8
  if [ -n "$SAPI_LONG" ]; then
    seconds=${SAPI_DIFFER:-600}
    export BATS_TEST_TIMEOUT=$((seconds + 300))
  fi
}

@test "random calls are answered as by the kernel: links" {
  "$top_srcdir/tests/differ/run" --seconds "$seconds"
}
