#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Upgraded connections that do nothing: no time, next to no memory, and limits
# that leave them to the kernel.

setup_file() {
  start_sapid
  export BATS_TEST_TIMEOUT=400
}
teardown_file() { stop_sapid; }
teardown() { stop_all; }

idle=$top_builddir/tests/bats/idle

# cpu PID: its ticks so far
cpu() {
  local stat
  stat=$(< "/proc/$1/stat")
  # shellcheck disable=SC2086 # split
  set -- ${stat##*) }
  echo $((${12} + ${13}))
}

# start_server: $idle serve, in $server, its port in $port
start_server() {
  local file=$BATS_TEST_TMPDIR/port
  rm -f "$file"
  serve shm "$idle" serve "$file"
  within 20 [ -s "$file" ]
  port=$(cat "$file")
  echo_server=$server
}

# start_client N BYTES: ready when it has made N connections, in $server
start_client() {
  serve shm "$idle" connect "$port" "$1" "$2"
  within 120 grep -q ready "$server_log" || { cat "$server_log"; return 1; }
}

# links_now AT-LEAST
links_now() { [ "$(total .links_now)" -ge "$1" ]; }

no_links() { [ "$(total .links_now)" = 0 ]; }

# resident: KiB of all links' memory, whoever touched it
resident() {
  local sum=0 n
  for n in $(awk '/sapi-links/ { seen = 1 } seen && /^Rss:/ { print $2; seen = 0 }' \
    "/proc/$SAPID_PID/smaps"); do
    sum=$((sum + n))
  done
  # the daemon touches little: what the file has is what counts
  n=$(stat -L -c %b "/proc/$SAPID_PID"/fd/* 2> /dev/null |
    awk '{ sum += $1 } END { print int(sum / 2) }')
  echo "${n:-$sum}"
}

@test "idle: ten seconds cost no time" {
  start_server
  start_client 8 0
  client=$server
  links_now 8
  sleep 1 # what came before has settled
  before="$(cpu "$echo_server") $(cpu "$client") $(cpu "$SAPID_PID")"
  sleep 10
  after="$(cpu "$echo_server") $(cpu "$client") $(cpu "$SAPID_PID")"
  echo "ticks before: $before, after: $after"
  # shellcheck disable=SC2086 # split
  set -- $before $after
  [ "$4" -le $(($1 + 1)) ]
  [ "$5" -le $(($2 + 1)) ]
  [ "$6" -le $(($3 + 1)) ]
}

@test "idle: 10,000 connections, a descriptor and 4 KiB each" {
  [ -z "$SANITIZER_RUNTIME" ] || skip "not with a sanitizer's memory"
  ulimit -n "$(ulimit -Hn)"
  [ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 11000 ] ||
    skip "RLIMIT_NOFILE is $(ulimit -n)"
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/sapi.conf
  echo 'sapi { fifo-size 65536 }' > "$SAPI_CONFIG"
  start_server
  fds=$(find "/proc/$echo_server/fd" | wc -l)
  kib=$(resident)
  for _ in 1 2 3 4; do
    start_client 2500 0
  done
  n=$(total .links_now)
  echo "links: $n; descriptors: $fds, then $(find "/proc/$echo_server/fd" | wc -l)"
  echo "memory of links: $kib KiB, then $(resident)"
  [ "$n" -ge 10000 ]
  [ "$(find "/proc/$echo_server/fd" | wc -l)" -le $((fds + 10000 + 20)) ]
  # the segments' first pages are for all
  [ "$(resident)" -le $((kib + n * 4 + 1024)) ]
}

resident_at_most() { [ "$(resident)" -le "$1" ]; }

@test "idle: a burst is given back" {
  start_server
  kib=$(resident)
  start_client 100 1048576
  links_now 100
  echo "memory of links: $kib KiB, then $(resident)"
  within 10 resident_at_most $((kib + 100 * 64)) || {
    echo "in the end: $(resident)"
    return 1
  }
}

# limited COMMAND...: both ends, with what prlimit is told
limited() {
  local file=$BATS_TEST_TMPDIR/port
  rm -f "$file"
  serve shm prlimit "$@" "$idle" serve "$file"
  within 20 [ -s "$file" ]
  port=$(cat "$file")
  serve shm prlimit "$@" "$idle" connect "$port" 8 100000
  within 60 grep -q ready "$server_log" || { cat "$server_log"; return 1; }
}

@test "idle: 40 descriptors are enough" {
  need prlimit
  limited --nofile=40
}

@test "idle: little address space is enough" {
  need prlimit
  [ -z "$SANITIZER_RUNTIME" ] || skip "a sanitizer needs it all"
  limited --as=$((128 << 20))
}

@test "idle: a sleeper is woken once a sleep" {
  start_server
  start_client 1 0
  "$SAPI" status --json --run-dir "$SAPI_DIR/run" > "$BATS_TEST_TMPDIR/status"
  links='[.. | objects | .links? // [] | .[]]'
  jq "$links" "$BATS_TEST_TMPDIR/status"
  # the client's receives are counted where they sleep; who wakes it is the
  # other end
  sleeps=$(jq "$links | map(.sleeps) | max" "$BATS_TEST_TMPDIR/status")
  wakeups=$(jq "$links | min_by(.sleeps) | .wakeups" "$BATS_TEST_TMPDIR/status")
  [ "$wakeups" -le $((sleeps + 2)) ]
}

# step WHAT: the server does that, and makes no other call
step() {
  echo "$1" >&5
  n_steps=$((n_steps + 1))
  within 20 steps_done
}
steps_done() { [ "$(grep -c '^done' "$steps_log")" = "$n_steps" ]; }

granted() { [ "$(total .links_total)" -gt "$links" ]; }

client_offers() { [ "$(total .offers)" -gt "$before" ]; }

# A grant that comes just behind close(2) lies in the attach socket till the
# process makes its next call, which may be never. To be granted at all, it must
# still be true for the kernel: here because somebody holds the socket, elsewhere
# because the daemon has just asked.
@test "idle: who closes a connection before it reads of the link leaves none" {
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/sapi.conf
  echo "upgrade-turns = 1" > "$SAPI_CONFIG"
  mkfifo "$BATS_TEST_TMPDIR/steps"
  exec 5<> "$BATS_TEST_TMPDIR/steps"
  free_port
  serve shm /usr/bin/python3 "$top_srcdir/tests/bats/unread.py" serve "$port" \
    "$BATS_TEST_TMPDIR/steps"
  idle_server=$server steps_log=$server_log n_steps=0
  wait_port "$port"
  before=$(total .offers)
  serve shm /usr/bin/python3 "$top_srcdir/tests/bats/unread.py" talk "$port"
  client=$server
  for ((i = 0; i < 10; i++)); do
    step echo
    ! within 1 client_offers || break
  done
  serve bare /usr/bin/python3 "$top_srcdir/tests/bats/unread.py" hold "$idle_server"
  holder=$server
  within 10 grep -q held "$server_log" || { cat "$server_log"; return 1; }
  links=$(total .links_total)
  kill -STOP "$SAPID_PID"
  step echo
  step close
  kill -CONT "$SAPID_PID"
  within 10 granted
  kill -KILL "$holder"
  within 10 gone "$client"
  within 10 no_links
  kill -0 "$idle_server"
}
