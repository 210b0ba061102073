# udp_helpers.bash - two ends of UDP, of which VPP carries one or both
# shellcheck shell=bash disable=SC2034 # the scenes are the caller's
# shellcheck disable=SC2154 # automake exports top_srcdir; helpers.bash sets port

python=/usr/bin/python3
udp_ends=$top_srcdir/tests/bats/udp_ends.py

# what each end of a socket is asked for; over a wire nothing can't be sent
udp_wire="echo order cut wait poll epoll names large dup burst"
udp_connected="shutdown again many"
udp_here="empty"

# udp_echo MODE ADDRESS [COMMAND...]: set $port; what is sent there comes back
udp_echo() {
  free_port
  serve "$1" "${@:3}" "$python" "$udp_ends" echo "$2" "$port"
  within 20 grep -q ready "$server_log"
}

# there_echo ADDRESS: the kernel's, at the other end
there_echo() { udp_echo bare "$1" nsenter "--net=/run/netns/$there"; }

# udp_right ask|to ADDRESS SCENE...: the kernel's word
udp_right() {
  udp_echo bare "$2"
  as bare timeout 60 "$python" "$udp_ends" "$1" "$2" "$port" "${@:3}" \
    > "$BATS_TEST_TMPDIR/right"
  stop_all
}

# udp_same ask|to ADDRESS PORT SCENE...: a client of ours sees the same
udp_same() {
  as shm timeout 100 "$python" "$udp_ends" "$@" > "$BATS_TEST_TMPDIR/got" ||
    { cat "$BATS_TEST_TMPDIR/got" "$server_log"; return 1; }
  diff "$BATS_TEST_TMPDIR/right" "$BATS_TEST_TMPDIR/got"
}

# Two of this host, connected, see by a cut-through what they would by the kernel.
udp_by_cut_through() {
  local scenes="$udp_wire $udp_connected $udp_here"
  # shellcheck disable=SC2086 # words
  udp_right ask 127.0.0.1 $scenes
  udp_echo shm 127.0.0.1
  # shellcheck disable=SC2086
  udp_same ask 127.0.0.1 "$port" $scenes
  stop_all
  udp_echo shm ::
  # shellcheck disable=SC2086
  udp_same ask ::1 "$port" $scenes
  # shellcheck disable=SC2086
  udp_same ask 127.0.0.1 "$port" $scenes
}

# udp_script NAME: a client or server of one test's own, from stdin
udp_script() { cat > "$BATS_TEST_TMPDIR/$1.py"; }

# udp_run MODE NAME ARG...: run it
udp_run() {
  as "$1" timeout 60 "$python" "$BATS_TEST_TMPDIR/$2.py" "${@:3}"
}

# The server goes, and comes back at the same address: who is connected to it
# hears that nobody is there, and then goes on.
udp_server_returns() {
  udp_script client << 'END'
import socket, sys, time

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
s.settimeout(10)
s.send(b"one")
print(s.recv(10), flush=True)
sys.stdin.readline()
refused = 0
for _ in range(200):
    try:
        s.send(b"two")
        refused += not s.recv(10)
    except ConnectionRefusedError:
        refused += 1
        break
print("refused", refused, flush=True)
sys.stdin.readline()
for _ in range(100):
    try:
        s.send(b"three")
        print(s.recv(10))
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
END
  local client
  udp_echo shm 127.0.0.1
  mkfifo "$BATS_TEST_TMPDIR/say"
  udp_run shm client 127.0.0.1 "$port" < "$BATS_TEST_TMPDIR/say" \
    > "$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
  client=$!
  exec 8> "$BATS_TEST_TMPDIR/say"
  within 20 grep -q one "$BATS_TEST_TMPDIR/out"
  stop_all
  echo >&8
  within 20 grep -qx 'refused 1' "$BATS_TEST_TMPDIR/out"
  serve shm "$python" "$udp_ends" echo 127.0.0.1 "$port"
  within 20 grep -q ready "$server_log"
  echo >&8
  exec 8>&-
  wait "$client"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "b'three'" "$BATS_TEST_TMPDIR/out"
}

# udp_forks ADDRESS PORT: a parent and its child use a socket that is connected,
# each with another session; ... and a child serves what its parent has bound
udp_forks() {
  udp_script forks << 'END'
import os, socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
s.settimeout(10)
s.send(b"before")
assert s.recv(10) == b"before"
pid = os.fork()
me = b"child" if not pid else b"parent"
for i in range(100):
    s.send(b"%s %d" % (me, i))
    assert s.recv(20) == b"%s %d" % (me, i)
if not pid:
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
s.send(b"after")
assert s.recv(10) == b"after"
print("all right")
END
  udp_run shm forks "$1" "$2"
}

udp_daemon() {
  udp_script daemon << 'END'
import os, socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
if os.fork():
    os._exit(0)
s.settimeout(0.1)
ready = False
while True:
    try:
        data, addr = s.recvfrom(65536)
    except TimeoutError:
        # its first call makes it a listener of VPP's (docs/vpp.md)
        if not ready:
            print("ready", flush=True)
            ready = True
        continue
    s.sendto(data, addr)
END
  free_port
  serve shm "$python" "$BATS_TEST_TMPDIR/daemon.py" "$1" "$port"
  within 20 grep -q ready "$server_log"
}
