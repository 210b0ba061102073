#!/usr/bin/env bats
# shellcheck disable=SC2154 # helpers set what is used
# vpp_udp.bats - UDP through a real VPP: to another program of ours on it, and to
# the kernel's at the other end of a cable
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers
load udp_helpers

setup_file() {
  export SAPI_RULES='use vpp udp_* *:* require'
  lay_cable || { [ -n "${VPP_DIR:-}" ] || start_vpp; }
}
teardown_file() { cut_cable; }
setup() {
  need_vpp
  need "$python"
}
teardown() { stop_all; }

@test "VPP, UDP: connected, by a cut-through, is as the kernel's" {
  udp_by_cut_through
}

@test "VPP, UDP: not connected, by a cut-through" {
  # shellcheck disable=SC2086
  udp_right to 127.0.0.1 $udp_wire
  udp_echo shm 127.0.0.1
  # shellcheck disable=SC2086
  udp_same to 127.0.0.1 "$port" $udp_wire
}

@test "VPP, UDP: one server for three, one of them by the kernel" {
  local pids=() pid
  udp_echo shm 0.0.0.0
  for way in "shm ask" "shm to" "bare ask"; do
    # shellcheck disable=SC2086
    set -- $way
    as "$1" timeout 60 "$python" "$udp_ends" "$2" 127.0.0.1 "$port" echo burst \
      echo > "$BATS_TEST_TMPDIR/out.$1.$2" 3>&- &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid"; done
  [ "$(cat "$BATS_TEST_TMPDIR"/out.* | grep -cx 'echo 300')" = 6 ]
}

@test "VPP, UDP: the server goes and comes back" { udp_server_returns; }

@test "VPP, UDP: fork" {
  udp_echo shm 127.0.0.1
  udp_forks 127.0.0.1 "$port"
  stop_all
  udp_daemon 127.0.0.1
  as shm timeout 60 "$python" "$udp_ends" ask 127.0.0.1 "$port" echo
}

@test "VPP, UDP: sockperf, ping and pong" {
  need sockperf
  free_port
  serve shm sockperf sr -i 127.0.0.1 -p "$port"
  within 20 vpp_listens "$port"
  as shm timeout 60 sockperf pp -i 127.0.0.1 -p "$port" -t 1 -m 100 \
    > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -q 'dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0' \
    "$BATS_TEST_TMPDIR/out"
}

# --- by a cable ---

@test "VPP, UDP, a cable: to the kernel, connected" {
  on_cable
  # shellcheck disable=SC2086
  udp_right ask 127.0.0.1 $udp_wire $udp_connected
  there_echo 10.10.0.2
  # shellcheck disable=SC2086
  udp_same ask 10.10.0.2 "$port" $udp_wire $udp_connected
  udp_forks 10.10.0.2 "$port"
  stop_all
  there_echo fd10::2
  # shellcheck disable=SC2086
  udp_same ask fd10::2 "$port" $udp_wire $udp_connected
}

@test "VPP, UDP, a cable: to the kernel, not connected" {
  on_cable
  # shellcheck disable=SC2086
  udp_right to 127.0.0.1 $udp_wire
  there_echo 10.10.0.2
  # shellcheck disable=SC2086
  udp_same to 10.10.0.2 "$port" $udp_wire
  stop_all
  there_echo fd10::2
  # shellcheck disable=SC2086
  udp_same to fd10::2 "$port" $udp_wire
}

@test "VPP, UDP, a cable: from the kernel, to a listener of ours" {
  local at
  on_cable
  # shellcheck disable=SC2086
  udp_right ask 127.0.0.1 $udp_wire $udp_connected
  for at in "10.10.0.1 10.10.0.1" "0.0.0.0 10.10.0.1" ":: 10.10.0.1" \
    ":: fd10::1"; do
    # shellcheck disable=SC2086
    set -- $at
    udp_echo shm "$1"
    # shellcheck disable=SC2086
    over timeout 100 "$python" "$udp_ends" ask "$2" "$port" $udp_wire \
      $udp_connected > "$BATS_TEST_TMPDIR/got"
    diff "$BATS_TEST_TMPDIR/right" "$BATS_TEST_TMPDIR/got"
    stop_all
  done
}

@test "VPP, UDP, a cable: nobody at the other end" {
  since 26.02 "WORD OF ICMP FOR APPLICATIONS"
  on_cable
  udp_script refused << 'END'
import socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.10.0.2", int(sys.argv[1])))
s.settimeout(10)
for _ in range(3):
    print(s.send(b"x"))
    try:
        print(s.recv(10))
    except OSError as e:
        print(type(e).__name__)
END
  free_port
  udp_run shm refused "$port" | tee "$BATS_TEST_TMPDIR/out"
  [ "$(grep -cx ConnectionRefusedError "$BATS_TEST_TMPDIR/out")" = 3 ]
}

@test "VPP, UDP, a cable: from a port of its own, again and again" {
  on_cable
  there_echo 10.10.0.2
  udp_script bound << 'END'
import socket, sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.10.0.1", int(sys.argv[2])))
s.settimeout(10)
for i in range(5):
    s.connect(("10.10.0.2", int(sys.argv[1])))
    s.send(b"from a port")
    print(s.recv(20), s.getsockname() == ("10.10.0.1", int(sys.argv[2])))
END
  local server=$port
  free_port
  udp_run shm bound "$server" "$port" | tee "$BATS_TEST_TMPDIR/out"
  [ "$(grep -cx "b'from a port' True" "$BATS_TEST_TMPDIR/out")" = 5 ]
}
