#!/usr/bin/env bats
# Programs whose clients come by a Unix socket
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
  export SAPI_RULES='use auto unix_* *:*'
  start_sapid
}
teardown_file() { stop_sapid; }
setup() { at=$SAPI_DIR/test.sock; }
teardown() { stop_all; }

there() { [ -S "$at" ]; }

# links_of PATTERN: how many links there are now whose ends are such
links_of() {
  "$SAPI" status --json --run-dir "$SAPI_DIR/run" |
    jq --arg is "$1" '[.apps[].links[] | select(.state == "link") |
      select((.local | test($is)) and (.remote | test($is)))] | length'
}

# redis MODE
redis() {
  rm -f "$at"
  serve "$1" redis-server --port 0 --unixsocket "$at" --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR"
  within 20 there
}

cli() {
  as "$1" timeout 60 redis-cli -s "$at" "${@:2}"
}

values() {
  local i hash
  redis "$1"
  for i in {1..500}; do echo "set key-$i value-$i"; done |
    cli "$2" > "$BATS_TEST_TMPDIR/out"
  [ "$(grep -c '^OK$' "$BATS_TEST_TMPDIR/out")" = 500 ]
  for i in {1..500}; do echo "get key-$i"; done | cli "$2" |
    diff - <(printf 'value-%d\n' {1..500})
  hash=$(blob 16 "$BATS_TEST_TMPDIR/in")
  [ "$(cli "$2" -x set large < "$BATS_TEST_TMPDIR/in")" = OK ]
  cli "$2" get large | head -c 16M | hash_of - > "$BATS_TEST_TMPDIR/hash"
  [ "$(cat "$BATS_TEST_TMPDIR/hash")" = "$hash" ]
}

@test "redis by a Unix socket: values" {
  need redis-server redis-cli
  each_pair values
}

benchmark() {
  redis "$1"
  as "$2" timeout 100 redis-benchmark -s "$at" -q -c 20 -P 4 -n 5000 \
    -r 1000 -t set,get,incr > "$BATS_TEST_TMPDIR/out"
  [ "$(tr '\r' '\n' < "$BATS_TEST_TMPDIR/out" |
    grep -c 'requests per second')" -ge 3 ]
}

@test "redis by a Unix socket: twenty clients" {
  need redis-server redis-benchmark
  each_pair benchmark
}

subscribed() {
  [ "$(cli bare pubsub numsub news | tail -n 1)" = 1 ]
}

@test "redis by a Unix socket: sapi status shows the link" {
  need redis-server redis-cli
  redis shm
  mkfifo "$BATS_TEST_TMPDIR/say"
  serve shm sh -c 'exec redis-cli -s "$1" < "$2"' - "$at" \
    "$BATS_TEST_TMPDIR/say"
  exec 8> "$BATS_TEST_TMPDIR/say"
  within 20 talked_to_a_link || {
    "$SAPI" status --run-dir "$SAPI_DIR/run"
    return 1
  }
  "$SAPI" status --run-dir "$SAPI_DIR/run" | grep unix:
  echo "get key" >&8
  exec 8>&-
  within 20 grep -qx 20 "$server_log"
}

# a daemon that is busy grants none within any number of commands: so go on
talked_to_a_link() {
  echo "set key 20" >&8
  [ "$(links_of '^unix:[1-9]')" = 2 ]
}

@test "a rule keeps Unix sockets in the kernel" {
  need redis-server redis-cli
  local before
  before=$(sessions)
  export SAPI_RULES='use os unix_* *:*'
  values shm shm
  [ "$(sessions)" = "$before" ]
}

# content by a path that is not the one it was bound to
linked_name() {
  rm -f "$at" "$at.link"
  serve "$1" socat -u "UNIX-LISTEN:$at,fork" "OPEN:$BATS_TEST_TMPDIR/got,creat,append"
  within 20 there
  ln -s "$at" "$at.link"
  as "$2" timeout 60 socat -u "OPEN:$BATS_TEST_TMPDIR/in" "UNIX-CONNECT:$at.link"
  within 20 cmp -s "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/got"
  rm "$BATS_TEST_TMPDIR/got"
}

@test "socat: a symbolic link to the socket" {
  need socat
  blob 8 "$BATS_TEST_TMPDIR/in" > /dev/null
  may_stay="a forked child shares it" each_pair linked_name
}

# descriptors by SCM_RIGHTS among bytes, both ways
passing() {
  rm -f "$at"
  serve "$1" python3 "$top_srcdir/tests/bats/passing.py" serve "$at"
  within 20 there
  as "$2" timeout 60 python3 "$top_srcdir/tests/bats/passing.py" dial "$at"
}

@test "python: descriptors among bytes arrive in order" {
  need python3
  each_pair passing
}
