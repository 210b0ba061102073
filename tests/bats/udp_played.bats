#!/usr/bin/env bats
# shellcheck disable=SC2154 # automake exports top_builddir; helpers set the rest
# udp_played.bats - UDP through a VPP that is played (played_vpp.c); vpp_udp.bats
# has a real one
bats_require_minimum_version 1.5.0
load helpers
load udp_helpers

setup_file() {
  VPP_DIR=$(mktemp -d /tmp/sapi-played.XXXXXX)
  export VPP_DIR SAPI_CONFIG=$VPP_DIR/conf SAPI_SOCKET=$VPP_DIR/no-sapid
  cat > "$SAPI_CONFIG" << END
vcl { app-socket-api $VPP_DIR/sock app-scope-local app-scope-global }
sapi { use vpp udp_* *:* require }
END
  play
}

# play: start it (again)
play() {
  rm -f "$VPP_DIR/sock"
  "$top_builddir/tests/bats/played_vpp" "$VPP_DIR/sock" > "$VPP_DIR/log" 2>&1 \
    < /dev/null 3>&- &
  echo "$!" > "$VPP_DIR/pid"
  within 20 grep -q ready "$VPP_DIR/log"
}

stop_playing() {
  local pid
  pid=$(cat "$VPP_DIR/pid")
  kill "$pid" 2> /dev/null || true
  within 10 gone "$pid"
}

teardown_file() {
  stop_playing
  rm -rf "$VPP_DIR"
}
setup() { need "$python"; }

# it must not have found anything wrong
teardown() {
  stop_all
  cat "$VPP_DIR/log"
  ! gone "$(cat "$VPP_DIR/pid")"
}

@test "UDP, played: connected, over a wire, is as the kernel's" {
  local scenes="${udp_wire/ burst/} $udp_connected"
  # shellcheck disable=SC2086 # words
  udp_right ask 127.0.0.1 $scenes
  # shellcheck disable=SC2086
  udp_same ask 10.10.0.2 7 $scenes
  # shellcheck disable=SC2086
  udp_same ask fd10::2 7 $scenes
}

@test "UDP, played: connected, by a cut-through" {
  udp_by_cut_through
}

@test "UDP, played: not connected" {
  # shellcheck disable=SC2086
  udp_right to 127.0.0.1 $udp_wire
  udp_echo shm 127.0.0.1
  # shellcheck disable=SC2086
  udp_same to 127.0.0.1 "$port" $udp_wire
  stop_all
  # shellcheck disable=SC2086
  udp_right to 127.0.0.1 ${udp_wire/ burst/}
  # shellcheck disable=SC2086
  udp_same to 10.10.0.2 7 ${udp_wire/ burst/}
}

@test "UDP, played: a listener at a wire, of an address that VPP alone has" {
  # shellcheck disable=SC2086
  udp_right ask 127.0.0.1 $udp_wire $udp_connected
  udp_echo shm 10.10.0.1
  # shellcheck disable=SC2086
  udp_same ask 10.10.0.1 "$port" $udp_wire $udp_connected
  stop_all
  udp_echo shm 0.0.0.0
  # shellcheck disable=SC2086
  udp_same ask 10.10.0.1 "$port" $udp_wire $udp_connected
}

@test "UDP, played: one server for three, one of them by the kernel" {
  local pids=() pid
  udp_echo shm 0.0.0.0
  for way in "shm ask 127.0.0.1" "shm ask 10.10.0.1" "bare ask 127.0.0.1" \
    "shm to 127.0.0.1"; do
    # shellcheck disable=SC2086
    set -- $way
    as "$1" timeout 60 "$python" "$udp_ends" "$2" "$3" "$port" echo burst echo \
      > "$BATS_TEST_TMPDIR/out.$1.$2.$3" 3>&- &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  [ "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -cx 'burst 100')" = 4 ]
  [ "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -cx 'echo 300')" = 8 ]
}

@test "UDP, played: nobody at the other end" {
  udp_script refused << 'END'
import select, socket

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.10.0.2", 9))
print(s.send(b"x"))
p = select.poll()
p.register(s, select.POLLIN)
print(p.poll(10000)[0][1] & select.POLLERR)
try:
    print(s.recv(10))
except OSError as e:
    print(type(e).__name__)
print(p.poll(0), s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print(s.send(b"y"))
s.settimeout(10)
try:
    print(s.recv(10))
except OSError as e:
    print(type(e).__name__)
END
  udp_run shm refused > "$BATS_TEST_TMPDIR/out"
  diff "$BATS_TEST_TMPDIR/out" - << 'END'
1
8
ConnectionRefusedError
[] 0
1
ConnectionRefusedError
END
}

@test "UDP, played: the server goes and comes back" { udp_server_returns; }

@test "UDP, played: fork" {
  udp_forks 10.10.0.2 7
  udp_echo shm 127.0.0.1
  udp_forks 127.0.0.1 "$port"
  stop_all
  udp_daemon 127.0.0.1
  as shm timeout 60 "$python" "$udp_ends" ask 127.0.0.1 "$port" echo
}

@test "UDP, played: a peer that does not read makes who sends wait" {
  udp_script full << 'END'
import os, select, socket, sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
r, w = os.pipe()
if not os.fork():
    # another application: it executes
    os.set_inheritable(w, True)
    os.execv(sys.executable, [sys.executable, "-c", """
import os, select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.setblocking(False)
n = 0
try:
    while n < 100000:
        s.send(b"%06d" % n + bytes(1000))
        n += 1
except BlockingIOError:
    pass
p = select.poll()
p.register(s, select.POLLOUT)
e = select.epoll()
e.register(s, select.EPOLLOUT | select.EPOLLET)
e.poll(0)
full = [p.poll(0), e.poll(0)]
os.write(int(sys.argv[2]), b"%d %s" % (n, str(full).encode()))
assert p.poll(10000), "no room"
assert e.poll(10), "no edge"
s.setblocking(True)
for i in range(n, n + 1000):
    s.send(b"%06d" % i + bytes(1000))
""", sys.argv[1], str(w)])
server.settimeout(20)
one = server.recvfrom(2000)[0] # it is accepted here
said = b""
while b"]]" not in said:
    said += os.read(r, 100)
n, full = said.split(b" ", 1)
print(full.decode())
assert int(n) < 100000
assert one[:6] == b"000000"
for i in range(1, int(n) + 1000):
    assert server.recv(2000)[:6] == b"%06d" % i, i
assert os.wait()[1] == 0
print("all right")
END
  free_port
  udp_run shm full "$port" > "$BATS_TEST_TMPDIR/out"
  diff "$BATS_TEST_TMPDIR/out" - << 'END'
[[], []]
all right
END
}

@test "UDP, played: VPP goes, and comes back" {
  udp_script goes << 'END'
import socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.10.0.2", 7))
s.settimeout(20)
s.send(b"one")
print(s.recv(10), flush=True)
try:
    print(s.recv(10))
except OSError as e:
    print(type(e).__name__, flush=True)
try:
    print(s.send(b"two"))
except OSError as e:
    print(e.errno, flush=True)
sys.stdin.readline()
while True:
    try:
        s.send(b"three")
        print(s.recv(10))
        break
    except OSError:
        pass
END
  local server client
  udp_echo shm 127.0.0.1
  server=$port
  mkfifo "$BATS_TEST_TMPDIR/say"
  udp_run shm goes < "$BATS_TEST_TMPDIR/say" > "$BATS_TEST_TMPDIR/out" 2>&1 \
    3>&- &
  client=$!
  exec 8> "$BATS_TEST_TMPDIR/say"
  within 20 grep -q one "$BATS_TEST_TMPDIR/out"
  stop_playing
  within 20 grep -qx ConnectionRefusedError "$BATS_TEST_TMPDIR/out"
  within 20 grep -qx 100 "$BATS_TEST_TMPDIR/out" # ENETDOWN
  # the kernel's clients are served meanwhile
  as bare timeout 20 "$python" "$udp_ends" ask 127.0.0.1 "$server" echo
  play
  echo >&8
  exec 8>&-
  wait "$client"
  grep -qx "b'three'" "$BATS_TEST_TMPDIR/out"
  within 20 as shm timeout 20 "$python" "$udp_ends" ask 127.0.0.1 "$server" echo
}

@test "UDP, played: without VPP, or where it refuses, it is the kernel's" {
  export SAPI_RULES='use vpp udp_* *:*'
  # shellcheck disable=SC2086
  udp_right ask 127.0.0.1 $udp_wire $udp_connected
  udp_echo bare 127.0.0.1
  # shellcheck disable=SC2086
  udp_same ask 127.0.0.1 "$port" $udp_wire $udp_connected
  stop_all
  # shellcheck disable=SC2086
  udp_right to 127.0.0.1 $udp_wire
  udp_echo bare 127.0.0.1
  # shellcheck disable=SC2086
  udp_same to 127.0.0.1 "$port" $udp_wire
  stop_all
  stop_playing
  udp_echo shm 127.0.0.1
  # shellcheck disable=SC2086
  udp_same to 127.0.0.1 "$port" $udp_wire
  play
  export SAPI_RULES='use vpp udp_* *:* require'
  udp_script refused <<< 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 1))'
  run -1 udp_run shm refused
  [[ "$output" = *ConnectionRefusedError* ]]
}
