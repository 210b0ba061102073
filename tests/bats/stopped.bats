#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

python=/usr/bin/python3

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
teardown() { kill -CONT "$SAPID_PID"; }

# stopped: four hundred connections through shared memory.  The queue to the
# daemon is full long before they have been closed.
stopped() {
  need "$python"
  before=$(sessions)
  run -0 as shm timeout 60 "$python" - "$SAPID_PID" "$before" \
    "$SAPI" status --json --run-dir "$SAPI_DIR/run" << 'END'
import json, os, signal, socket, subprocess, sys, time
l = socket.create_server(("127.0.0.1", 0), backlog=500)
pairs = []
for i in range(400):
    c = socket.create_connection(l.getsockname(), 10)
    pairs.append((c, l.accept()[0]))
longest = 0
def timed(what):
    global longest
    start = time.monotonic()
    what()
    longest = max(longest, time.monotonic() - start)
def talk():
    for c, s in pairs:
        c.sendall(b"there")
        assert s.recv(5, socket.MSG_WAITALL) == b"there"
        s.sendall(b"back")
        assert c.recv(4, socket.MSG_WAITALL) == b"back"
bare = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
def moved():
    totals = json.loads(subprocess.check_output(sys.argv[3:], env=bare))["totals"]
    return totals["sessions_total"] + totals["links_total"] - int(sys.argv[2])
for i in range(4):
    talk()
for i in range(100): # a busy machine's daemon has not come to it yet
    if moved():
        break
    talk()
longest = 0
os.kill(int(sys.argv[1]), signal.SIGSTOP)
timed(talk)
assert longest < 5, longest
for c, s in pairs:
    timed(c.close)
    timed(s.close)
def connect():
    c = socket.create_connection(l.getsockname(), 10)
    s = l.accept()[0]
    c.sendall(b"kernel")
    assert s.recv(6, socket.MSG_WAITALL) == b"kernel"
timed(connect)
print("longest", longest)
assert longest < 10, longest
END
  echo "$output"
  kill -CONT "$SAPID_PID"
  # of sessions all; of links those that the daemon had granted when it stopped
  if [ "$way" = session ]; then
    [ "$(sessions)" -ge $((before + 400)) ]
  else
    [ "$(sessions)" -gt "$before" ]
  fi
}

@test "a stopped daemon: links go on, closing and connecting take a bounded time" {
  stopped
}

@test "a stopped daemon: sessions go on, closing and connecting take a bounded time" {
  way session
  stopped
}
