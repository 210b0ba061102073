#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Connections that go to other programs, which may be under the library or not.

python=/usr/bin/python3

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() { need "$python"; }
teardown() { stop_all; }

handover() {
  free_port
  serve "$1" "$python" "$top_srcdir/tests/bats/handover.py" server "$port"
  wait_port "$port"
  # shellcheck disable=SC2154 # set by the tests
  as "$2" timeout 100 "$python" "$top_srcdir/tests/bats/handover.py" client \
    "$port" "${ways[@]}" > "$BATS_TEST_TMPDIR/out" || cat "$server_log"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

@test "exec: a connection is a child's standard input and output" {
  ways=(popen spawn fork_exec)
  each_pair handover
}

@test "exec: as CGI, by a shell and what it runs" {
  ways=(cgi)
  each_pair handover
}

@test "exec: a connection is sent by SCM_RIGHTS" {
  ways=(rights)
  each_pair handover
}

@test "exec: a helper program inherits connections that it never uses" {
  ways=(helper)
  each_pair handover
}

# As systemd does for a service: the listener is there before the program.
activated() {
  free_port
  cat > "$BATS_TEST_TMPDIR/server.py" << 'END'
import socket
with socket.socket(fileno=9) as listener:
    while True:
        conn, _ = listener.accept()
        while data := conn.recv(65536):
            conn.sendall(data.upper())
        conn.close()
END
  cat > "$BATS_TEST_TMPDIR/activate.py" << 'END'
import os, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    os.dup2(listener.fileno(), 9)
    os.execv(sys.executable, [sys.executable, sys.argv[2]])
END
  serve "$1" "$python" "$BATS_TEST_TMPDIR/activate.py" "$port" \
    "$BATS_TEST_TMPDIR/server.py"
  wait_port "$port"
  as "$2" timeout 60 "$python" - "$port" > "$BATS_TEST_TMPDIR/out" << 'END'
import socket, sys
for _ in range(3):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as s:
        for i in range(50):
            s.sendall(b"line %d" % i)
            assert s.recv(100) == b"LINE %d" % i
print("all right")
END
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

@test "exec: a listener that was inherited, and its connections" {
  each_pair activated
}
