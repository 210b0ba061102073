#!/usr/bin/env bats
# vpp_gone.bats - a real VPP that goes away and comes back
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers

setup_file() { start_vpp; }
teardown_file() { stop_vpp; }
setup() {
  need_vpp
  need "$python"
  vpp_answers || run_vpp
}
teardown() { stop_all; }

start_server() {
  free_port
  serve shm "$python" "$ends" serve 127.0.0.1 "$port"
  wait_vpp "$port"
}

# carried: a client of ours gets through, by VPP or not at all
carried() {
  as shm timeout 20 "$python" "$ends" ask 127.0.0.1 "$port" echo \
    > "$BATS_TEST_TMPDIR/out" 2>&1 &&
    grep -qx 'echo 200 echoes' "$BATS_TEST_TMPDIR/out"
}

# a client that has nothing to say, or reads, or sends, when VPP goes
connected_when_it_goes() {
  local client
  start_server
  cat > "$BATS_TEST_TMPDIR/client.py" << 'END'
import socket, sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
s.settimeout(None)
s.sendall(sys.argv[2].encode() + b"\n")
print("connected", flush=True)
try:
    if sys.argv[2] == "digest":
        while True:
            s.sendall(bytes(100000))
    elif sys.argv[2] == "late":
        while True:
            s.sendall(bytes(100000))
    else:
        print("read", s.recv(1))
except OSError as e:
    print(type(e).__name__)
END
  serve shm "$python" "$BATS_TEST_TMPDIR/client.py" "$port" "$1"
  client=$server
  within 20 grep -q connected "$server_log"
  kill_vpp "$2"
  within 20 gone "$client"
  cat "$server_log"
  grep -qxE "$3" "$server_log"
}

@test "VPP goes: who reads is told" {
  connected_when_it_goes echo KILL ConnectionResetError
}

@test "VPP goes: who sends is told" {
  connected_when_it_goes digest TERM '(ConnectionReset|BrokenPipe)Error'
}

@test "VPP goes: who waits for room is told" {
  connected_when_it_goes late KILL '(ConnectionReset|BrokenPipe)Error'
}

@test "VPP comes back, and so does a listener by itself" {
  start_server
  carried
  kill_vpp KILL
  run ! carried
  # the kernel's clients are served meanwhile
  as bare timeout 20 "$python" "$ends" ask 127.0.0.1 "$port" echo
  run_vpp
  wait_vpp "$port"
  carried
}

@test "VPP comes back, and so does the listener of a program that uses epoll" {
  need redis-server redis-cli
  free_port
  serve shm redis-server --port "$port" --bind 127.0.0.1 ::1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR"
  wait_vpp "$port"
  [ "$(as shm redis-cli -p "$port" set a 1)" = OK ]
  kill_vpp TERM
  [ "$(as bare timeout 20 redis-cli -p "$port" get a)" = 1 ]
  run_vpp
  wait_vpp "$port"
  [ "$(as shm timeout 20 redis-cli -p "$port" get a)" = 1 ]
}

@test "with auto, new sockets use the kernel while VPP is gone" {
  {
    cat "$VCL_CONF"
    echo 'sapi { use vpp tcp_* *:* }'
  } > "$VPP_DIR/auto.conf"
  export SAPI_CONFIG=$VPP_DIR/auto.conf
  start_server
  carried
  kill_vpp KILL
  carried
  run_vpp
  wait_vpp "$port"
  carried
}
