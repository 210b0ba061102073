#!/usr/bin/env bats
# vpp_stock.bats - VPP's own preload on our daemon
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers

setup_file() {
  find_vpp || return 0
  # a daemon can't see which release its client is of
  export SAPID_CONF=$BATS_FILE_TMPDIR/sapid.conf
  printf '[namespace default]\nvpp-release = %s\n' "$vpp_release" > "$SAPID_CONF"
  start_sapid
  vcl_conf "$SAPI_SOCKET" > "$SAPI_DIR/vcl.conf"
  export VCL_CONF=$SAPI_DIR/vcl.conf
  way session
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 20 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$BATS_FILE_TMPDIR/root/small"
}
teardown_file() { [ -z "${SAPID_PID:-}" ] || stop_sapid; }
setup() { find_vpp || skip "STOCK VCL IS NOT TESTED: $vpp_why"; }
teardown() { stop_all; }

# who serves and who connects
mixes="stock:stock stock:shm shm:stock"

# each_mix FUNCTION: sapid must have connected something each time
each_mix() {
  local mix before
  for mix in $mixes; do
    echo "$1: server ${mix%:*}, client ${mix#*:}"
    before=$(sessions)
    "$1" "${mix%:*}" "${mix#*:}"
    stop_all
    [ "$(sessions)" -gt "$before" ]
  done
}

iperf() {
  local opt
  free_port
  serve "$1" iperf3 -4 -s -p "$port" -B 127.0.0.1
  wait_announced "$port"
  for opt in "" -R "-P 4"; do
    # shellcheck disable=SC2086 # options
    as "$2" timeout 60 iperf3 -4 -c 127.0.0.1 -p "$port" -t 1 -J $opt \
      > "$BATS_TEST_TMPDIR/out" || { cat "$BATS_TEST_TMPDIR/out"; return 1; }
    [ "$(jq .end.sum_received.bytes "$BATS_TEST_TMPDIR/out")" -gt 0 ]
  done
}

@test "stock VCL on sapid: iperf3 forth, back, and four streams" {
  need iperf3 jq
  each_mix iperf
}

redis() {
  free_port
  serve "$1" redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --protected-mode no --dir "$BATS_TEST_TMPDIR"
  wait_announced "$port"
  as "$2" timeout 100 redis-benchmark -p "$port" -q -c 20 -n 1000 -t ping,set,get \
    > "$BATS_TEST_TMPDIR/out"
  tr '\r' '\n' < "$BATS_TEST_TMPDIR/out" | grep -c 'requests per second' \
    > "$BATS_TEST_TMPDIR/count"
  [ "$(cat "$BATS_TEST_TMPDIR/count")" -ge 3 ]
}

@test "stock VCL on sapid: redis" {
  need redis-server redis-benchmark jq
  each_mix redis
}

# the mode in which VCL looks at its queues all the time
@test "stock VCL on sapid: iperf3 and redis without use-mq-eventfd" {
  need iperf3 redis-server redis-benchmark jq
  sed '/use-mq-eventfd/d' "$VCL_CONF" > "$BATS_TEST_TMPDIR/vcl.conf"
  run ! diff "$VCL_CONF" "$BATS_TEST_TMPDIR/vcl.conf"
  export VCL_CONF=$BATS_TEST_TMPDIR/vcl.conf
  each_mix iperf
  each_mix redis
}

web() {
  local dir
  dir=$(mktemp -d "$BATS_TEST_TMPDIR/nginx.XXXXXX")
  free_port
  nginx_conf "$dir" 1 "127.0.0.1:$port" > "$dir/nginx.conf"
  sed -i "1i master_process off;" "$dir/nginx.conf"
  serve "$1" nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  wait_announced "$port"
  as "$2" timeout 60 curl -sS --fail "http://127.0.0.1:$port/large" |
    hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
  as "$2" timeout 60 curl -sS --fail "http://127.0.0.1:$port/small?[1-50]" \
    > "$BATS_TEST_TMPDIR/out"
  [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 50 ]
}

@test "stock VCL on sapid: nginx and curl" {
  need nginx curl jq
  each_mix web
}

# VPP's own test of its preload; over the kernel its server does not work
@test "stock VCL on sapid: sock_test, echo, one way and both" {
  local bin client option
  bin=$(dirname "$vpp")
  [ -x "$bin/sock_test_server" ] && [ -x "$bin/sock_test_client" ] ||
    skip "no sock_test_server beside $vpp"
  for client in stock shm; do
    for option in "-E hello" "-N 2000 -T 8000 -U" "-N 2000 -T 8000 -B"; do
      free_port
      serve stock "$bin/sock_test_server" "$port"
      wait_announced "$port"
      # shellcheck disable=SC2086 # options
      as "$client" timeout 60 env "LD_LIBRARY_PATH=$vpp_libs" \
        "$bin/sock_test_client" $option -X 127.0.0.1 "$port"
      stop_all
    done
  done
}

# VPP's own test of its library: what passes there over a VPP does so here. By
# UDP it passes on neither.
@test "stock VCL on sapid: vcl_test, echo, one way and both, many sessions" {
  local bin option run=(env "LD_LIBRARY_PATH=$vpp_libs" "VCL_CONFIG=$VCL_CONF")
  bin=$(dirname "$vpp")
  [ -x "$bin/vcl_test_server" ] && [ -x "$bin/vcl_test_client" ] ||
    skip "no vcl_test_server beside $vpp"
  for option in "-E hello" "-N 5000 -T 8000 -U" "-N 5000 -T 8000 -B" \
    "-s 10 -N 1000 -T 8000 -B" "-s 100 -N 100 -T 1000 -U"; do
    free_port
    serve bare "${run[@]}" "$bin/vcl_test_server" "$port"
    wait_announced "$port"
    # shellcheck disable=SC2086 # options
    timeout 60 "${run[@]}" "$bin/vcl_test_client" $option -X 127.0.0.1 "$port"
    stop_all
  done
}
