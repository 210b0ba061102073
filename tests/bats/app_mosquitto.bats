#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() {
  long
  need mosquitto mosquitto_pub mosquitto_sub
}
teardown() { stop_all; }

# subscribed N: so many clients are
subscribed() {
  local log=$BATS_TEST_TMPDIR/broker.log
  [ "$(grep -c 'Received SUBSCRIBE' "$log")" = "$1" ]
}

heard() {
  local i hash subscriber subscribers=() logs=()
  hash=$(blob 4 "$BATS_TEST_TMPDIR/in")
  free_port
  rm -f "$BATS_TEST_TMPDIR/broker.log"
  cat > "$BATS_TEST_TMPDIR/mosquitto.conf" << EOF
listener $port 127.0.0.1
allow_anonymous true
max_queued_messages 0
log_dest file $BATS_TEST_TMPDIR/broker.log
log_type all
$([ "$(id -u)" != 0 ] || echo user root)
EOF
  serve "$1" mosquitto -c "$BATS_TEST_TMPDIR/mosquitto.conf"
  wait_port "$port"
  # five hear the lines, one the large message
  for i in 0 1 2 1 2; do
    serve "$2" mosquitto_sub -h 127.0.0.1 -p "$port" -q "$i" -t lines -C 2000
    subscribers+=("$server")
    logs+=("$server_log")
  done
  serve "$2" mosquitto_sub -h 127.0.0.1 -p "$port" -q 1 -t large -C 1 -N
  subscribers+=("$server")
  within 20 subscribed 6
  seq 2000 | as "$2" timeout 60 mosquitto_pub -h 127.0.0.1 -p "$port" -q 2 \
    -t lines -l
  as "$2" timeout 60 mosquitto_pub -h 127.0.0.1 -p "$port" -q 1 -t large \
    -f "$BATS_TEST_TMPDIR/in"
  for subscriber in "${subscribers[@]}"; do
    within 30 gone "$subscriber"
  done
  for i in "${logs[@]}"; do
    seq 2000 | diff - "$i"
  done
  [ "$(hash_of < "$server_log")" = "$hash" ]
}

@test "mosquitto: six subscribers hear everything in order" {
  each_pair heard
}
