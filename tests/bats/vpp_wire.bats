#!/usr/bin/env bats
# vpp_wire.bats - through a real VPP to the kernel's TCP at the other end of a
# cable
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers

# with NAT if this VPP has it, for one test alone
setup_file() {
  local nat=()
  if find_vpp && [ -e "$vpp_plugins/nat_plugin.so" ]; then
    nat=(nat_plugin.so "session { nat44-original-dst-enable }")
  fi
  lay_cable "${nat[@]}" || return 0
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 20 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$BATS_FILE_TMPDIR/root/small"
}

teardown_file() { cut_cable; }
setup() { need_cable; }
teardown() { stop_all; }

# from_there LISTEN CONNECT SCENE...: a server of ours, a client of the kernel's
from_there() {
  free_port
  serve shm "$python" "$ends" serve "$1" "$port"
  wait_vpp "$port"
  over timeout 100 "$python" "$ends" ask "$2" "$port" "${@:3}"
}

# to_there CONNECT SCENE...: a server of the kernel's, a client of ours
to_there() {
  free_port
  serve bare nsenter "--net=/run/netns/$there" "$python" "$ends" serve "$1" \
    "$port"
  within 20 grep -q ready "$server_log"
  as shm timeout 100 "$python" "$ends" ask "$1" "$port" "${@:2}"
}

# as_there SCENE...: what the kernel's two ends see of each other
as_there() {
  free_port
  serve bare nsenter "--net=/run/netns/$there" "$python" "$ends" serve \
    10.10.0.2 "$port"
  within 20 grep -q ready "$server_log"
  over timeout 100 "$python" "$ends" ask 10.10.0.2 "$port" "$@"
}

# what a server of ours sees is the kernel's word
same_from() {
  as_there "$@" > "$BATS_TEST_TMPDIR/right"
  stop_all
  from_there 0.0.0.0 10.10.0.1 "$@" > "$BATS_TEST_TMPDIR/from"
  cat "$server_log"
  stop_all
  diff "$BATS_TEST_TMPDIR/right" "$BATS_TEST_TMPDIR/from"
}

# and what a client of ours does
same() {
  same_from "$@"
  to_there 10.10.0.2 "$@" > "$BATS_TEST_TMPDIR/to"
  stop_all
  diff "$BATS_TEST_TMPDIR/right" "$BATS_TEST_TMPDIR/to"
}

@test "VPP, a cable: bytes both ways, a hundred connections" {
  same echo many digest large
}

@test "VPP, a cable: half close" {
  same half_close
}

@test "VPP, a cable: closes of either end" {
  same leave flee
}

@test "VPP, a cable: a reset by the kernel" {
  same_from abort
}

@test "VPP, a cable: resets of either end" {
  since 26.02 RESET
  same reset abort
}

@test "VPP, a cable: a listener that closes before it accepts" {
  since 26.02 RESET
  same close_listener
}

# the same without resets: an orderly end, and the next one listens
@test "VPP, a cable: a listener closes, and another one listens there" {
  from_there 0.0.0.0 10.10.0.1 close_listener > "$BATS_TEST_TMPDIR/out"
  grep -q "ECONNREFUSED" "$BATS_TEST_TMPDIR/out"
  over timeout 100 "$python" "$ends" ask 10.10.0.1 "$port" close_listener echo
}

# silent: there is such a station by what the others know, but it never answers;
# the kernel asks twice, for a second each
silent() {
  local mac=02:00:00:00:00:09
  vppctl set ip neighbor static host-vpp 10.10.0.9 "$mac"
  ip -n "$there" neigh replace 10.10.0.9 lladdr "$mac" dev kernel nud permanent
  over sysctl -qw net.ipv4.tcp_syn_retries=1
}

@test "VPP, a cable: nobody answers, and connecting times out" {
  silent
  over timeout 100 "$python" "$ends" ask 10.10.0.9 80 interrupted silent \
    > "$BATS_TEST_TMPDIR/right"
  # VPP asks for a minute
  as shm timeout 100 "$python" "$ends" ask 10.10.0.9 80 interrupted silent \
    > "$BATS_TEST_TMPDIR/ours"
  over sysctl -qw net.ipv4.tcp_syn_retries=6
  grep -q ETIMEDOUT "$BATS_TEST_TMPDIR/right"
  diff "$BATS_TEST_TMPDIR/right" "$BATS_TEST_TMPDIR/ours"
}

# unit/vpp_attr asks VPP by our core
@test "VPP, a cable: the transport's attributes: next hop, segment, endpoints" {
  as_there echo > /dev/null
  run -0 env SAPI_VPP_PEER="10.10.0.2 $port" "$top_builddir/tests/unit/vpp_attr"
  [[ $output != *skip* ]]
}

@test "VPP, a cable: TCP_MAXSEG limits what is sent at once" {
  as_there echo > /dev/null
  as shm "$python" -c '
import socket, sys
s = socket.create_connection(("10.10.0.2", int(sys.argv[1])), 20)
s.sendall(b"echo\n")
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 600)
assert 560 <= s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 600
s.sendall(bytes(100000))
got = 0
while got < 100000:
    got += len(s.recv(100000))
print("all came back")' "$port"
}

# 10.10.0.8:80 is what the client connects to, and NAT gives it to the server
@test "VPP, a cable: SO_ORIGINAL_DST, of VPP's NAT" {
  [ -e "$vpp_plugins/nat_plugin.so" ] || skip "THIS VPP HAS NO NAT"
  sed 's/^vcl {/&\n  app_original_dst/' "$SAPI_CONFIG" > "$BATS_TEST_TMPDIR/conf"
  cat > "$BATS_TEST_TMPDIR/server.py" << 'END'
import socket, struct, sys

SO_ORIGINAL_DST = 80
with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as listener:
    for _ in range(2):
        s, _ = listener.accept()
        try:
            dst = s.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
            family, port, ip = struct.unpack("=HH4s8x", dst)
            assert family == socket.AF_INET
            print(socket.inet_ntoa(ip), socket.ntohs(port), flush=True)
            s.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 15)
        except OSError as e:
            print(e.strerror, flush=True)
        s.sendall(b"hello\n")
        s.close()
END
  free_port
  SAPI_CONFIG=$BATS_TEST_TMPDIR/conf serve shm "$python" \
    "$BATS_TEST_TMPDIR/server.py" "$port"
  wait_vpp "$port"
  vppctl nat44 plugin enable sessions 1000
  vppctl set interface nat44 out host-vpp output-feature
  vppctl nat44 add static mapping tcp local 10.10.0.1 "$port" external 10.10.0.8 80
  vppctl nat44 forwarding enable
  ip -n "$there" neigh replace 10.10.0.8 dev kernel nud permanent \
    lladdr "$(vppctl show hardware-interfaces host-vpp | awk '/Ethernet address/ { print $3 }')"
  [ "$(over timeout 20 bash -c 'cat < /dev/tcp/10.10.0.8/80')" = hello ]
  [ "$(over timeout 20 bash -c "cat < /dev/tcp/10.10.0.1/$port")" = hello ]
  vppctl nat44 plugin disable
  cat "$server_log"
  [ "$(cat "$server_log")" = "10.10.0.8 80
Invalid argument
10.10.0.1 $port
Invalid argument" ]
}

@test "VPP, a cable: how much is sent at once, by TCP_MAXSEG and TCP_INFO" {
  local mss
  as_there echo > /dev/null
  mss=$(as shm "$python" -c '
import socket, struct, sys
s = socket.create_connection(("10.10.0.2", int(sys.argv[1])), 20)
info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
mss = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
assert struct.unpack_from("I", info, 16)[0] == mss
print(mss)' "$port")
  # of 1500 bytes, less the headers, which may have options
  [ "$mss" -gt 1400 ] && [ "$mss" -le 1460 ]
}

@test "VPP, a cable: a window that is full for seconds" {
  same late
}

@test "VPP, a cable: without blocking" {
  same nonblock
}

@test "VPP, a cable: IPv6, and a listener for both" {
  from_there ::1 fd10::1 refused > "$BATS_TEST_TMPDIR/out"
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = "refused ECONNREFUSED" ]
  stop_all
  from_there :: fd10::1 echo large
  stop_all
  from_there :: 10.10.0.1 echo large
  stop_all
  to_there fd10::2 echo large
}

@test "VPP, a cable: refused by the kernel at the other end" {
  as_there refused refused_nonblock refused_again > "$BATS_TEST_TMPDIR/right"
  stop_all
  to_there 10.10.0.2 refused refused_nonblock refused_again \
    > "$BATS_TEST_TMPDIR/to"
  grep -q 'refused_nonblock ECONNREFUSED' "$BATS_TEST_TMPDIR/right"
  diff "$BATS_TEST_TMPDIR/right" "$BATS_TEST_TMPDIR/to"
}

@test "VPP, a cable: an address that VPP alone has may be bound" {
  from_there 10.10.0.1 10.10.0.1 echo digest
}

@test "VPP, a cable: nginx to curl and wrk of the kernel, and to its loopback" {
  local dir=$BATS_TEST_TMPDIR
  need nginx curl
  free_port
  nginx_conf "$dir" 2 "$port" > "$dir/nginx.conf"
  serve shm nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  wait_vpp "$port"
  over timeout 60 curl -sS --fail "http://10.10.0.1:$port/large" | hash_of - |
    diff - "$BATS_FILE_TMPDIR/hash"
  over timeout 60 curl -sS --fail "http://10.10.0.1:$port/small?[1-100]" \
    > "$dir/out"
  [ "$(grep -cx hello "$dir/out")" = 100 ]
  # the very same listener, by the kernel
  timeout 60 curl -sS --fail "http://127.0.0.1:$port/large" | hash_of - |
    diff - "$BATS_FILE_TMPDIR/hash"
  command -v wrk || return 0
  over timeout 60 wrk -t 1 -c 20 -d 2 "http://10.10.0.1:$port/small" \
    > "$dir/out"
  cat "$dir/out"
  grep -q '[1-9][0-9]* requests in' "$dir/out"
  run ! grep -E 'Socket errors|Non-2xx' "$dir/out"
}

@test "VPP, a cable: our redis-cli and curl to servers of the kernel" {
  local i
  need redis-server redis-cli nginx curl
  free_port
  serve bare nsenter "--net=/run/netns/$there" redis-server --port "$port" \
    --bind 10.10.0.2 --protected-mode no --save "" --appendonly no \
    --dir "$BATS_TEST_TMPDIR"
  within 20 redis_pong
  for i in {1..20}; do
    [ "$(as shm timeout 20 redis-cli -h 10.10.0.2 -p "$port" incr n)" = "$i" ]
  done
  blob 4 "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/hash"
  as shm timeout 60 redis-cli -h 10.10.0.2 -p "$port" -x set large \
    < "$BATS_TEST_TMPDIR/in"
  as shm timeout 60 redis-cli -h 10.10.0.2 -p "$port" get large |
    head -c 4M | hash_of - | diff - "$BATS_TEST_TMPDIR/hash"
  stop_all
  free_port
  serve bare nsenter "--net=/run/netns/$there" "$python" -m http.server "$port" \
    --bind 10.10.0.2 --directory "$BATS_FILE_TMPDIR/root"
  within 20 over curl -sf -o /dev/null "http://10.10.0.2:$port/small"
  as shm timeout 60 curl -sS --fail "http://10.10.0.2:$port/large" | hash_of - |
    diff - "$BATS_FILE_TMPDIR/hash"
}

# small_segments: our programs ask for little memory at a time
small_segments() {
  {
    vcl_conf "$VPP_DIR/app_ns_sockets/default" "segment-size 4194304" \
      "add-segment-size 4194304" "rx-fifo-size 65536" "tx-fifo-size 65536" \
      "preallocated-fifo-pairs 0"
    echo 'sapi { use vpp tcp_* *:* require }'
  } > "$VPP_DIR/small.conf"
  export SAPI_CONFIG=$VPP_DIR/small.conf
}

@test "VPP, a cable: a thousand connections, by segments that come for them" {
  small_segments
  ulimit -n 4096
  from_there 0.0.0.0 10.10.0.1 crowd > "$BATS_TEST_TMPDIR/out"
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = "crowd 2000" ]
  stop_all
  to_there 10.10.0.2 crowd > "$BATS_TEST_TMPDIR/out"
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = "crowd 2000" ]
}

redis_pong() { [ "$(over redis-cli -h 10.10.0.2 -p "$port" ping)" = PONG ]; }

gone_all() {
  local pid
  for pid; do gone "$pid" || return; done
}

# the last one: it leaves most ports of the other end in TIME_WAIT
@test "VPP, a cable: nginx with four workers is reloaded under load" {
  local dir=$BATS_TEST_TMPDIR master load old
  need nginx curl wrk pgrep
  free_port
  nginx_conf "$dir" 4 "$port" > "$dir/nginx.conf"
  serve shm nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  wait_vpp "$port"
  master=$(cat "$dir/pid")
  # 7000 connections a second, each of which keeps its port for a minute
  over sysctl -qw net.ipv4.ip_local_port_range="1024 65535"
  over timeout 60 wrk -t 1 -c 20 -d 6 -H 'Connection: close' \
    "http://10.10.0.1:$port/small" > "$dir/out" 3>&- &
  load=$!
  for _ in 1 2 3 4; do
    sleep 1
    mapfile -t old < <(pgrep -P "$master")
    [ "${#old[@]}" = 4 ]
    kill -HUP "$master"
    within 10 gone_all "${old[@]}"
  done
  wait "$load"
  cat "$dir/out"
  [ "$(pgrep -cP "$master")" = 4 ]
  # what an old worker was given and had not accepted is lost, as by
  # SO_REUSEPORT, and nothing hangs
  grep -q '[1-9][0-9]* requests in' "$dir/out"
  run ! grep -E 'Non-2xx|timeout [1-9]|read [0-9]{3}' "$dir/out"
  over timeout 60 curl -sS --fail "http://10.10.0.1:$port/small?[1-100]" \
    > "$dir/out"
  [ "$(grep -cx hello "$dir/out")" = 100 ]
}
