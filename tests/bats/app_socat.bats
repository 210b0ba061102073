#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
  start_sapid
  blob 32 "$BATS_FILE_TMPDIR/in" > "$BATS_FILE_TMPDIR/hash"
}
teardown_file() { stop_sapid; }
teardown() { stop_all; }

socat_file() {
  local out=$BATS_TEST_TMPDIR/out
  free_port
  serve "$1" socat -u "FILE:$BATS_FILE_TMPDIR/in" \
    "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr"
  wait_port "$port"
  as "$2" timeout 60 socat -u "TCP:127.0.0.1:$port" "CREATE:$out"
  hash_of < "$out" | diff - "$BATS_FILE_TMPDIR/hash"
}

@test "socat: a file from server to client" {
  need socat
  each_pair socat_file
}

socat_exec() {
  local out=$BATS_TEST_TMPDIR/out
  free_port
  serve "$1" socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" EXEC:cat
  wait_port "$port"
  for _ in 1 2; do
    as "$2" timeout 60 socat -t 30 - "TCP:127.0.0.1:$port" \
      < "$BATS_FILE_TMPDIR/in" > "$out"
    hash_of < "$out" | diff - "$BATS_FILE_TMPDIR/hash"
  done
}

@test "socat: a child for each connection echoes by cat" {
  need socat
  each_pair_and_way socat_exec
}

nc_file() {
  local out=$BATS_TEST_TMPDIR/out receiver
  free_port
  serve "$1" nc -l 127.0.0.1 "$port"
  receiver=$server
  wait_port "$port"
  as "$2" timeout 60 nc -N 127.0.0.1 "$port" < "$BATS_FILE_TMPDIR/in"
  within 20 gone "$receiver"
  hash_of < "$server_log" | diff - "$BATS_FILE_TMPDIR/hash"
}

@test "nc: a file from client to server" {
  need nc
  each_pair nc_file
}
