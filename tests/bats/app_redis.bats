#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() { need redis-server redis-cli redis-benchmark; }
teardown() { stop_all; }

# redis MODE OPTION...: a server on $port that keeps nothing
redis() {
  free_port
  serve "$1" redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR" "${@:2}"
  wait_port "$port"
}

# cli MODE ARG...
cli() {
  as "$1" timeout 60 redis-cli -p "$port" "${@:2}"
}

benchmark() {
  redis "$1"
  as "$2" timeout 100 redis-benchmark -p "$port" -q -c 20 -n 500 \
    > "$BATS_TEST_TMPDIR/out"
  tr '\r' '\n' < "$BATS_TEST_TMPDIR/out" |
    grep -c 'requests per second' > "$BATS_TEST_TMPDIR/count"
  [ "$(cat "$BATS_TEST_TMPDIR/count")" -ge 20 ]
  # what the benchmark left in the server
  [ "$(cli bare get key:__rand_int__)" = VXK ]
}

@test "redis: every test of redis-benchmark" {
  each_pair_and_way benchmark
}

pipelined() {
  redis "$1"
  as "$2" timeout 60 redis-benchmark -p "$port" -q -c 50 -P 16 -n 20000 \
    -r 1000000 -t set,get,incr
  [ "$(cli bare dbsize)" -gt 10000 ]
}

@test "redis: fifty clients, sixteen requests at a time" {
  each_pair pipelined
}

pubsub() {
  local out=$BATS_TEST_TMPDIR/heard i
  redis "$1"
  serve "$2" redis-cli -p "$port" subscribe news
  out=$server_log
  within 20 subscribed
  for i in {1..100}; do echo "publish news item-$i"; done |
    cli "$2" > /dev/null
  within 20 grep -q '^item-100$' "$out"
  grep '^item' "$out" | diff - <(printf 'item-%d\n' {1..100})
}

subscribed() {
  cli bare pubsub numsub news | grep -qx 1
}

@test "redis: a subscriber hears everything in order" {
  each_pair pubsub
}

multi() {
  local i
  redis "$1"
  run -0 cli "$2" < <(
    for i in {1..50}; do echo ping; done
    echo $'multi\nset a 1\nincrby a 41\nget a\nexec')
  [ "$(tail -n 7 <<< "$output")" = $'OK\nQUEUED\nQUEUED\nQUEUED\nOK\n42\n42' ]
}

@test "redis: a transaction" {
  each_pair multi
}

# With what comes before, the connection has been worth its upgrade; enough of it
# for a daemon that waits for its CPU to have granted it.
blpop() {
  local client i
  redis "$1"
  for i in {1..2000}; do echo ping; done > "$BATS_TEST_TMPDIR/say"
  echo 'blpop queue 30' >> "$BATS_TEST_TMPDIR/say"
  serve "$2" sh -c 'exec redis-cli -p "$1" < "$2"' - "$port" \
    "$BATS_TEST_TMPDIR/say"
  client=$server
  within 20 blocked
  [ "$(cli "$2" rpush queue first)" = 1 ]
  within 20 gone "$client"
  [ "$(grep -c PONG "$server_log")" = 2000 ]
  [ "$(tail -n 2 "$server_log")" = $'queue\nfirst' ]
}

blocked() {
  cli bare info clients | grep -q '^blocked_clients:1'
}

@test "redis: a client that waits is woken by another" {
  each_pair_and_way blpop
}

large_value() {
  local hash
  hash=$(blob 64 "$BATS_TEST_TMPDIR/in")
  redis "$1"
  [ "$(cli "$2" -x set large < "$BATS_TEST_TMPDIR/in")" = OK ]
  # redis-cli adds a newline
  cli "$2" get large | head -c 64M | hash_of - > "$BATS_TEST_TMPDIR/hash"
  [ "$(cat "$BATS_TEST_TMPDIR/hash")" = "$hash" ]
}

@test "redis: a value of 64 MiB" {
  each_pair large_value
}

save_under_load() {
  local load hash
  hash=$(blob 1 "$BATS_TEST_TMPDIR/in")
  redis "$1"
  [ "$(cli "$2" -x set kept < "$BATS_TEST_TMPDIR/in")" = OK ]
  serve "$2" redis-benchmark -p "$port" -q -l -c 10 -n 1000000 -r 100000 -t set
  load=$server
  within 20 filled
  cli "$2" bgsave
  within 60 saved
  kill -TERM -- "-$load"
  [ "$(cli "$2" get kept | head -c 1M | hash_of -)" = "$hash" ]
  redis-check-rdb "$BATS_TEST_TMPDIR/dump.rdb"
}

filled() {
  [ "$(cli bare dbsize)" -gt 1000 ]
}

saved() {
  cli bare info persistence > "$BATS_TEST_TMPDIR/info"
  grep -q '^rdb_bgsave_in_progress:0' "$BATS_TEST_TMPDIR/info" &&
    grep -q '^rdb_last_bgsave_status:ok' "$BATS_TEST_TMPDIR/info" &&
    [ -e "$BATS_TEST_TMPDIR/dump.rdb" ]
}

@test "redis: a snapshot by a forked child under load" {
  each_pair_and_way save_under_load
}

# threads write, and read, for the one that computes; a snapshot meanwhile
io_threads() {
  local load hash
  hash=$(blob 1 "$BATS_TEST_TMPDIR/in")
  rm -f "$BATS_TEST_TMPDIR/dump.rdb"
  redis "$1" --io-threads 2 --io-threads-do-reads yes
  [ "$(cli "$2" -x set kept < "$BATS_TEST_TMPDIR/in")" = OK ]
  serve "$2" timeout 100 redis-benchmark -p "$port" -q -c 50 -P 8 --threads 2 \
    -n 60000 -r 100000 -d 500 -t set,get
  load=$server
  within 20 filled
  cli "$2" bgsave
  within 60 saved
  within 100 gone "$load"
  [ "$(tr '\r' '\n' < "$server_log" | grep -c 'requests per second')" = 2 ]
  [ "$(cli "$2" get kept | head -c 1M | hash_of -)" = "$hash" ]
  redis-check-rdb "$BATS_TEST_TMPDIR/dump.rdb"
}

@test "redis: threads for reading and writing, and a snapshot" {
  long
  each_pair io_threads
}

# Three nodes: a client is sent from one to the other, slots move from one to
# the other while it asks.
cluster() {
  local nodes=() dir first i load bus
  for i in 1 2 3; do
    dir=$(mktemp -d "$BATS_TEST_TMPDIR/node.XXXXXX")
    free_port
    bus=$port
    free_port
    serve "$1" redis-server --port "$port" --bind 127.0.0.1 --save "" \
      --appendonly no --dir "$dir" --cluster-enabled yes --cluster-port "$bus" \
      --cluster-node-timeout 10000
    wait_port "$port"
    nodes+=("127.0.0.1:$port")
    : "${first:=$port}"
  done
  as "$2" timeout 60 redis-cli --cluster create "${nodes[@]}" --cluster-yes
  for i in "${nodes[@]}"; do
    port=${i#*:}
    within 30 cluster_ok
  done
  port=$first
  # every key is where it belongs
  for i in {1..500}; do echo "set key-$i $i"; done |
    cli "$2" -c > "$BATS_TEST_TMPDIR/out"
  run ! grep -v -e '^OK$' -e '^-> ' "$BATS_TEST_TMPDIR/out"
  serve "$2" timeout 60 redis-benchmark --cluster -p "$port" -q -c 20 -n 20000 \
    -r 10000 -t set,get
  load=$server
  as "$2" timeout 60 redis-cli --cluster reshard "${nodes[0]}" \
    --cluster-from "$(node_id "${nodes[0]#*:}")" \
    --cluster-to "$(node_id "${nodes[1]#*:}")" \
    --cluster-slots 500 --cluster-yes > /dev/null
  within 60 gone "$load"
  for i in {1..500}; do echo "get key-$i"; done |
    cli "$2" -c | grep -v '^-> ' | tr -d '"' |
    diff - <(seq 500)
  as "$2" timeout 60 redis-cli --cluster check "${nodes[0]}" |
    grep -F 'All 16384 slots covered'
}

cluster_ok() {
  cli bare cluster info | grep -q '^cluster_state:ok'
}

node_id() {
  redis-cli -p "$1" cluster myid
}

@test "redis: a cluster of three nodes" {
  long
  each_pair cluster
}
