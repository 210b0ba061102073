#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# What the programs see of a daemon that is not there, or no longer: nothing, or,
# of sessions of the session layer, an error as of a broken network; but never a
# standstill.

python=/usr/bin/python3
ends=$top_srcdir/tests/soak/ends.py # an echo, and who checks it

setup() {
  need "$python" redis-server redis-benchmark
  # pings until there is a file; prints how it ended
  cat > "$BATS_TEST_TMPDIR/client.py" << 'END'
import os, socket, sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
s.settimeout(None)
f = s.makefile("rwb", buffering=0)
print("connected", flush=True)
n = after = 0
try:
    while after < 100:
        f.write(b"ping %d\n" % n)
        if f.readline() != b"ping %d\n" % n:
            print("closed")
            break
        n += 1
        after += os.path.exists(sys.argv[2])
    else:
        print("went on")
except OSError as e:
    print(e)
END
}
teardown() {
  stop_all
  [ -z "${SAPID_PID:-}" ] || kill -KILL "$SAPID_PID" 2> /dev/null || true
  [ -z "${SAPI_DIR:-}" ] || rm -rf "$SAPI_DIR"
}

redis_pair() {
  free_port
  serve "$1" redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR"
  wait_port "$port"
  as "$2" timeout 60 redis-benchmark -p "$port" -q -n 2000 -t set,get
  stop_all
}

@test "mixed: no daemon was ever there" {
  export SAPI_SOCKET=$BATS_TEST_TMPDIR/none
  redis_pair shm shm
  redis_pair shm bare
  redis_pair bare shm
}

@test "mixed: told to keep out" {
  start_sapid
  export SAPI_DISABLE=1
  redis_pair shm shm
  [ "$(sessions)" = 0 ]
  stop_sapid
}

some_carried() { [ "$(sessions)" -gt 0 ]; }

# killed SIGNAL WAY HOW: the daemon goes while a connection is in use, which ends
# with words like HOW
killed() {
  local client
  start_sapid
  way "$2"
  free_port
  serve shm "$python" "$ends" echo "$port"
  wait_port "$port"
  serve shm "$python" "$BATS_TEST_TMPDIR/client.py" "$port" \
    "$BATS_TEST_TMPDIR/gone"
  client=$server
  within 20 grep -q connected "$server_log"
  within 20 some_carried
  kill "-$1" "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  touch "$BATS_TEST_TMPDIR/gone"
  within 30 gone "$client"
  cat "$server_log"
  [ "$(wc -l < "$server_log")" = 2 ]
  grep -qx "$3" "$server_log"
  # the server serves on, whoever comes
  for mode in bare shm; do
    as "$mode" timeout 60 "$python" "$BATS_TEST_TMPDIR/client.py" "$port" \
      "$BATS_TEST_TMPDIR/gone" > "$BATS_TEST_TMPDIR/out"
    grep -qx "went on" "$BATS_TEST_TMPDIR/out"
  done
  stop_all
}

@test "mixed: the daemon is killed, and links go on" {
  killed KILL link "went on"
}

@test "mixed: the daemon ends, and links go on" {
  killed TERM link "went on"
}

@test "mixed: the daemon is killed, and sessions end" {
  killed KILL session ".*"
}

@test "mixed: the daemon ends, and sessions end" {
  killed TERM session ".*"
}

@test "mixed: the daemon comes back and is found" {
  start_sapid
  redis_pair shm shm
  [ "$(sessions)" -gt 0 ]
  kill -KILL "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  run_sapid
  redis_pair shm shm
  [ "$(sessions)" -gt 0 ]
  stop_sapid
}

# connected N: so many connections have gone through shared memory
connected() { [ "$(sessions)" -ge "$1" ]; }

# A server that never had a link when it slept, or a client that never slept,
# had not heard of the daemon's end: some restarts were enough.
@test "mixed: the daemon comes back again and again" {
  start_sapid
  free_port
  serve shm "$python" "$ends" echo "$port"
  wait_port "$port"
  serve shm "$python" "$ends" echo "$port" 1 \
    "$BATS_TEST_TMPDIR/stop" steady
  for i in {1..10}; do
    echo "daemon $i"
    within 20 connected 20
    kill -KILL "$SAPID_PID"
    within 10 gone "$SAPID_PID"
    run_sapid
  done
  touch "$BATS_TEST_TMPDIR/stop"
  within 10 gone "$server"
  cat "$server_log"
  wait "$server"
  stop_all
  stop_sapid
}

@test "mixed: the daemon comes back, and a listener of sessions is found again" {
  local signal
  start_sapid
  way session
  touch "$BATS_TEST_TMPDIR/gone"
  free_port
  serve shm "$python" "$ends" echo "$port"
  for signal in KILL TERM; do
    wait_announced "$port"
    kill "-$signal" "$SAPID_PID"
    within 10 gone "$SAPID_PID"
    run_sapid
  done
  wait_announced "$port"
  as shm timeout 60 "$python" "$BATS_TEST_TMPDIR/client.py" "$port" \
    "$BATS_TEST_TMPDIR/gone" > "$BATS_TEST_TMPDIR/out"
  grep -qx "went on" "$BATS_TEST_TMPDIR/out"
  [ "$(sessions)" -gt 0 ]
  stop_all
  stop_sapid
}
