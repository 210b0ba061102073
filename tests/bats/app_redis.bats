#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() { need redis-server redis-cli redis-benchmark; }
teardown() { stop_all; }

# redis MODE: a server on $port that keeps nothing
redis() {
  free_port
  serve "$1" redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR"
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

# With what comes before, the connection has been worth its upgrade.
blpop() {
  local client i
  redis "$1"
  for i in {1..50}; do echo ping; done > "$BATS_TEST_TMPDIR/say"
  echo 'blpop queue 30' >> "$BATS_TEST_TMPDIR/say"
  serve "$2" sh -c 'exec redis-cli -p "$1" < "$2"' - "$port" \
    "$BATS_TEST_TMPDIR/say"
  client=$server
  within 20 blocked
  [ "$(cli "$2" rpush queue first)" = 1 ]
  within 20 gone "$client"
  [ "$(grep -c PONG "$server_log")" = 50 ]
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
