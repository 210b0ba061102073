#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Random calls, bare and preloaded: always the same here, so that a change which
# breaks one is seen; SAPI_LONG=1 for new ones, SAPI_DIFFER seconds (600) long.

@test "random calls are answered as by the kernel: links" {
  "$top_srcdir/tests/differ/run" --seed 3000 --count 100
}

@test "random calls are answered as by the kernel: links, those that once were not" {
  local seed
  for seed in 300000194 400000790 500000405 500001165 500001529 \
    600005717 600007947 600015953 600021344 600029094 600036751 600044030 \
    600052380 600062857 600064923 600066880 600078744 600078804 600079261 600081680 \
    600083714 600093533 1050179501; do
    "$top_srcdir/tests/differ/run" --seed "$seed" --count 1
  done
}

@test "random calls are answered as by the kernel: links, new ones" {
  long
  export BATS_TEST_TIMEOUT=$((${SAPI_DIFFER:-600} + 300))
  "$top_srcdir/tests/differ/run" --seconds "${SAPI_DIFFER:-600}"
}
