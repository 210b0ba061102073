#!/usr/bin/env bats
# tls.bats - a rule that wants TLS of a VPP that is not there: no plain text
bats_require_minimum_version 1.5.0
load helpers

python=/usr/bin/python3

setup() {
  need "$python"
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/tls.conf SAPI_SOCKET=$BATS_TEST_TMPDIR/none
  rules 'use vpp tcp_client 127.0.0.0/8:* tls' \
    'use vpp tcp_server 127.0.0.1:* tls tls-cert=cert tls-key=key'
}
teardown() { stop_all; }

# rules RULE...: VPP's socket is not there
rules() {
  {
    echo "vcl { app-socket-api $BATS_TEST_TMPDIR/no-vpp }"
    echo 'sapi {'
    printf '%s\n' "$@"
    echo '}'
  } > "$SAPI_CONFIG"
}

# says MODE TEXT: what the Python program on stdin prints
says() {
  cat > "$BATS_TEST_TMPDIR/prog.py"
  as "$1" timeout 20 "$python" "$BATS_TEST_TMPDIR/prog.py" "$port" \
    > "$BATS_TEST_TMPDIR/out" 2>&1 || true
  cat "$BATS_TEST_TMPDIR/out"
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = "$2" ]
}

# a server of the kernel's that writes down what it is sent
plain_server() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'END'
import socket, sys

l = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=50)
while True:
    s, _ = l.accept()
    print("accepted", s.recv(100), flush=True)
    s.close()
END
  free_port
  serve bare "$python" "$BATS_TEST_TMPDIR/server.py" "$port"
  wait_port "$port"
}

connects() {
  says "$1" "$2" << 'END'
import errno, socket, sys

where = ("127.0.0.1", int(sys.argv[1]))

def attempt(s, call):
    try:
        print(call(s))
    except OSError as e:
        print(errno.errorcode[e.errno])
    s.close()

def nonblocking(s):
    s.setblocking(False)
    return s.connect(where)

attempt(socket.socket(), lambda s: s.connect(where))
attempt(socket.socket(), nonblocking)
attempt(socket.socket(), lambda s: s.sendto(b"fast", socket.MSG_FASTOPEN, where))
attempt(socket.socket(), lambda s: s.sendmsg([b"fast"], [], socket.MSG_FASTOPEN, where))
attempt(socket.socket(socket.AF_INET6), lambda s: s.connect(("::ffff:127.0.0.1", where[1])))
END
}

@test "tls and no VPP: nobody connects in plain text" {
  plain_server
  connects shm $'ENETDOWN\nENETDOWN\nENOTSUP\nENOTSUP\nENETDOWN'
  run ! grep accepted "$server_log"
  # the same program is let through elsewhere, and without a rule
  rules 'use vpp tcp_client 127.0.0.2:* tls'
  connects shm $'None\nEINPROGRESS\n4\n4\nNone'
  [ "$(grep -c accepted "$server_log")" -ge 4 ]
}

@test "tls and no VPP: a wrong rule, and a kind of socket that VPP has not" {
  plain_server
  rules 'use vpp tcp_client 127.0.0.0/8:* tls tls-crt=x' 'use os any *:*'
  connects shm $'ENETDOWN\nENETDOWN\nENOTSUP\nENOTSUP\nENETDOWN'
  says shm EPROTONOSUPPORT << 'END'
import errno, socket, sys

try:
    # MPTCP; a kernel without it says the same
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262) as s:
        s.connect(("127.0.0.1", int(sys.argv[1])))
        print("connected")
except OSError as e:
    print(errno.errorcode[e.errno])
END
  run ! grep accepted "$server_log"
}

@test "tls and no VPP: UDP and connections between processes are nobody's business" {
  rules 'use vpp tcp_* *:* tls tls-cert=cert tls-key=key'
  free_port
  says shm $'hello\nhello' << 'END'
import os, socket, sys

where = ("127.0.0.1", int(sys.argv[1]))
with socket.socket(type=socket.SOCK_DGRAM) as a, socket.socket(type=socket.SOCK_DGRAM) as b:
    a.bind(where)
    b.connect(where)
    b.send(b"hello")
    print(a.recv(10).decode())
name = "\0tls-%d" % os.getpid()
with socket.socket(socket.AF_UNIX) as a, socket.socket(socket.AF_UNIX) as b:
    a.bind(name)
    a.listen()
    b.connect(name)
    b.send(b"hello")
    print(a.accept()[0].recv(10).decode())
END
}

@test "tls and no VPP: nobody listens, and the socket may be tried again" {
  local program='
import errno, socket, sys

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
for _ in range(2):
    try:
        s.listen()
        print("listens")
    except OSError as e:
        print(errno.errorcode[e.errno])
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
try:
    socket.create_connection(s.getsockname(), 5)
    print("connected")
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
# a port that the kernel chooses, which is known only then
t = socket.socket()
t.bind(("127.0.0.1", 0))
try:
    t.listen()
    print("listens")
except OSError as e:
    print(errno.errorcode[e.errno])
'
  rules 'use vpp tcp_server 127.0.0.1:* tls tls-cert=cert tls-key=key'
  free_port
  says shm $'ENETDOWN\nENETDOWN\n0\nECONNREFUSED\nENETDOWN' <<< "$program"
  rules 'use vpp tcp_server 127.0.0.1:1-65535 tls tls-cert=cert tls-key=key'
  says shm $'ENETDOWN\nENETDOWN\n0\nECONNREFUSED\nENETDOWN' <<< "$program"
  rules
  says shm $'listens\nlistens\n1\nconnected\nlistens' <<< "$program"
}

@test "tls and no VPP: a listener that was inherited accepts nobody" {
  local -x ASAN_OPTIONS=detect_leaks=0 # it is python that leaks
  rules 'use vpp tcp_server 127.0.0.1:* tls tls-cert=cert tls-key=key'
  free_port
  # the launcher is not preloaded, the program is
  cat > "$BATS_TEST_TMPDIR/launch.py" << 'END'
import os, socket, sys

l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.set_inheritable(l.fileno(), True)
c = socket.create_connection(l.getsockname())
c.sendall(b"plain")
os.environ["LD_PRELOAD"] = sys.argv[2]
os.execv(sys.executable, [sys.executable, sys.argv[3], str(l.fileno())])
END
  cat > "$BATS_TEST_TMPDIR/inherit.py" << 'END'
import errno, socket, sys

l = socket.socket(fileno=int(sys.argv[1]))
for _ in range(2):
    try:
        print(l.accept()[0].recv(10))
    except OSError as e:
        print(errno.errorcode[e.errno])
END
  run -0 timeout 20 "$python" "$BATS_TEST_TMPDIR/launch.py" "$port" \
    "${SANITIZER_RUNTIME:+$SANITIZER_RUNTIME:}$PRELOAD_LIB" \
    "$BATS_TEST_TMPDIR/inherit.py"
  [ "$output" = $'EINVAL\nEINVAL' ]
}

@test "tls: sapi check and explain say what a rule wants" {
  printf 'use vpp tcp_server *:443 tls tls-cert=c tls-key=k tls-engine=openssl\n' \
    > "$BATS_TEST_TMPDIR/a.conf"
  run -0 "$SAPI" check "$BATS_TEST_TMPDIR/a.conf"
  [[ $output == *"tls tls-cert=$BATS_TEST_TMPDIR/c tls-key=$BATS_TEST_TMPDIR/k tls-engine=openssl"* ]]
  echo 'use vpp tcp_server *:443 tls' > "$BATS_TEST_TMPDIR/b.conf"
  run "$SAPI" check "$BATS_TEST_TMPDIR/b.conf"
  [ "$status" -ne 0 ]
  [[ $output == *"b.conf:1: use: tls for tcp_server wants tls-cert and tls-key"* ]]
  SAPI_CONFIG=$BATS_TEST_TMPDIR/a.conf run -0 "$SAPI" explain nginx tcp_server 1.2.3.4:443
  [[ $output == *"use       vpp, required"* && $output != *hybrid* ]]
}
