#!/usr/bin/env bats
# Programs that send datagrams
# bats file_tags=app
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
  start_sapid
  export SAPI_RULES='use auto udp_* *:*'
}
teardown_file() { stop_sapid; }
setup() { free_port; }
teardown() { stop_all; }

# carried: datagrams' bytes that went by links
carried() { total .link_bytes_total; }

bound() {
  grep -q "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") " /proc/net/udp \
    /proc/net/udp6
}

wait_bound() { within 20 bound "$1"; }

# udp_pairs FUNCTION: with both preloaded most of it must have gone by links
udp_pairs() {
  local pair before
  for pair in ${SAPI_PAIRS:-bare:bare shm:shm shm:bare bare:shm}; do
    echo "$1: server ${pair%:*}, client ${pair#*:}"
    before=$(carried)
    "$1" "${pair%:*}" "${pair#*:}"
    stop_all
    if [ "$pair" = shm:shm ]; then
      [ "$(carried)" -gt $((before + $2)) ]
    else
      [ "$(carried)" = "$before" ]
    fi
  done
}

iperf() {
  serve "$1" iperf3 -s -1 -p "$port"
  wait_port "$port"
  as "$2" timeout 60 iperf3 -u -c 127.0.0.1 -p "$port" -b 20M -t 1 -l 1400 \
    --json > "$BATS_TEST_TMPDIR/out"
  jq '.end.sum | {packets, lost_packets, lost_percent}' "$BATS_TEST_TMPDIR/out"
  jq -e '.end.sum.packets > 1000' "$BATS_TEST_TMPDIR/out"
  # what the kernel loses on a busy machine is not ours
  [ "$1:$2" != shm:shm ] ||
    jq -e '.end.sum.lost_percent < 5' "$BATS_TEST_TMPDIR/out"
  free_port
}

@test "iperf3: a stream of datagrams" {
  need iperf3
  udp_pairs iperf 1000000
}

ping_pong() {
  serve "$1" sockperf sr -i 127.0.0.1 -p "$port"
  wait_bound "$port"
  as "$2" timeout 60 sockperf pp -i 127.0.0.1 -p "$port" -t 1 -m 100 \
    > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -q 'dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0' \
    "$BATS_TEST_TMPDIR/out"
}

@test "sockperf: ping and pong" {
  need sockperf
  udp_pairs ping_pong 10000
}

# numbered lines, each a datagram, none too fast for anybody
lines() {
  local i
  serve "$1" socat -u -T 20 "UDP4-RECV:$port,bind=127.0.0.1" \
    "OPEN:$BATS_TEST_TMPDIR/got,creat,trunc"
  wait_bound "$port"
  for i in {1..300}; do
    echo "line $i"
    [ $((i % 10)) != 0 ] || sleep 0.01
  done | as "$2" timeout 60 socat -u - "UDP4-SENDTO:127.0.0.1:$port"
  within 20 grep -qx 'line 300' "$BATS_TEST_TMPDIR/got"
  diff "$BATS_TEST_TMPDIR/got" <(printf 'line %d\n' {1..300})
  free_port
}

@test "socat: lines" {
  need socat
  udp_pairs lines 1000
}

echoes() {
  serve "$1" python3 "$top_srcdir/tests/bats/datagrams.py" "$3" "$port"
  wait_bound "$port"
  as "$2" timeout 60 python3 "$top_srcdir/tests/bats/datagrams.py" clients \
    "$port" 3 400
  free_port
}

by_blocking() { echoes "$1" "$2" serve; }
by_asyncio() { echoes "$1" "$2" asyncio; }

@test "python: one that serves three, blocking" {
  need python3
  udp_pairs by_blocking 5000
}

@test "python: one that serves three, asyncio" {
  need python3
  udp_pairs by_asyncio 5000
}

crowd() {
  serve "$1" python3 "$top_srcdir/tests/bats/datagrams.py" asyncio "$port"
  wait_bound "$port"
  as "$2" timeout 60 python3 "$top_srcdir/tests/bats/datagrams.py" clients \
    "$port" 90 40
  free_port
}

@test "python: more clients than a socket has links" {
  need python3
  udp_pairs crowd 5000
}

answered() { [ "$(wc -l < "$server_log")" -ge "$1" ]; }

@test "the daemon is restarted meanwhile" {
  need python3
  local before lines
  start_sapid # one of its own, which it may kill
  serve shm python3 "$top_srcdir/tests/bats/datagrams.py" serve "$port"
  wait_bound "$port"
  before=$(carried)
  serve shm python3 "$top_srcdir/tests/bats/datagrams.py" talk "$port"
  within 20 answered 10
  [ "$(carried)" -gt "$before" ]
  kill -KILL "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  lines=$(wc -l < "$server_log")
  within 20 answered $((lines + 10))
  run_sapid
  [ "$(carried)" = 0 ]
  within 30 carries_again
  lines=$(wc -l < "$server_log")
  within 20 answered $((lines + 10))
  # every datagram was answered, in order, or it would have said so
  run ! grep -v '^[0-9]* answers$' "$server_log"
  stop_all
  stop_sapid
}

carries_again() { [ "$(carried)" -gt 0 ]; }

@test "who does not ask for it stays with the kernel" {
  need python3
  local before
  before=$(carried)
  SAPI_RULES='' by_blocking shm shm
  [ "$(carried)" = "$before" ]
}
