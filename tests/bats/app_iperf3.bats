#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() { need iperf3; }
teardown() { stop_all; }

# iperf3_client MODE ARG...: what was sent and received, in bytes, in $sent and
# $received
iperf3_client() {
  as "$1" timeout 60 iperf3 -c 127.0.0.1 -p "$port" -J "${@:2}" \
    > "$BATS_TEST_TMPDIR/out" || {
    cat "$BATS_TEST_TMPDIR/out" "$server_log"
    return 1
  }
  jq -e 'has("error") | not' "$BATS_TEST_TMPDIR/out" > /dev/null
  sent=$(jq .end.sum_sent.bytes "$BATS_TEST_TMPDIR/out")
  received=$(jq .end.sum_received.bytes "$BATS_TEST_TMPDIR/out")
}

both_ways() {
  free_port
  serve "$1" iperf3 -s -p "$port"
  wait_port "$port"
  iperf3_client "$2" -t 1
  [ "$received" -gt 0 ]
  iperf3_client "$2" -t 1 -R
  [ "$received" -gt 0 ]
  # an amount instead of a time, by two streams
  iperf3_client "$2" -n 64M -P 2
  # it reads no more once the amount has been sent
  [ "$sent" -ge $((64 << 20)) ]
  [ "$received" -gt 0 ]
}

@test "iperf3: forth, back, and two streams" {
  each_pair both_ways
}
