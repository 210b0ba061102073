# link_kernel.bats - connections that stay in the kernel are shown, and why
# shellcheck disable=SC2154 # automake exports top_srcdir
bats_require_minimum_version 1.5.0
load helpers

setup() {
  need /usr/bin/python3 jq
  start_sapid
}

teardown() {
  stop_all
  stop_sapid
}

# talk MODE serve|talk: on 127.0.0.1, $port; returns when it is ready
talk() {
  serve "$1" /usr/bin/python3 "$top_srcdir/tests/bats/talk.py" "$2" 127.0.0.1 "$port" x
  within 60 grep -q ready "$server_log" || { cat "$server_log"; return 1; }
}

# kernel: "local remote reason" of each, sorted
kernel() {
  "$SAPI" status --json --run-dir "$SAPI_DIR/run" |
    jq -r '.kernel[] | "\(.local) \(.remote) \(.reason)"' | sort
}

# links: how many ends there are
links() {
  "$SAPI" status --json --run-dir "$SAPI_DIR/run" | jq '[.apps[].links[]] | length'
}

# one LOCAL REMOTE REASON: that is all, and the table says so too; patterns
one() {
  kernel > "$BATS_TEST_TMPDIR/kernel"
  cat "$BATS_TEST_TMPDIR/kernel"
  [ "$(wc -l < "$BATS_TEST_TMPDIR/kernel")" -eq 1 ]
  # shellcheck disable=SC2053 # patterns
  [[ $(< "$BATS_TEST_TMPDIR/kernel") == $1\ $2\ $3 ]]
  run -0 "$SAPI" status --run-dir "$SAPI_DIR/run"
  [[ $output == *$'\nkernel\n'*REASON*$3* ]]
}

@test "nobody preloaded listens there" {
  free_port
  talk bare serve
  talk shm talk
  one '127.0.0.1:*' "127.0.0.1:$port" no-listener
  stop_all
  [ -z "$(kernel)" ]
}

@test "accepted from a client that is not preloaded" {
  free_port
  talk shm serve
  talk bare talk
  one "127.0.0.1:$port" '127.0.0.1:*' peer
  kill -- "-$server"
  # the server has closed its end, and says so
  within 10 [ -z "$(kernel)" ]
}

@test "a link is none of them" {
  free_port
  talk shm serve
  talk shm talk
  [ "$(links)" -eq 2 ]
  [ -z "$(kernel)" ]
}

@test "a connection that several processes have" {
  free_port
  talk shm serve
  serve shm /usr/bin/python3 -c '
import os, socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
if not os.fork():
    time.sleep(1000)
for i in range(50):
    s.sendall(b"x\0\0\0\0\0\0\0\0\0\0\1y")
    s.recv(13, socket.MSG_WAITALL)
print("ready", flush=True)
time.sleep(1000)' "$port"
  within 60 grep -q ready "$server_log" || { cat "$server_log"; return 1; }
  kernel
  kernel | grep -q " 127.0.0.1:$port shared"
}
