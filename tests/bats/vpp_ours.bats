#!/usr/bin/env bats
# vpp_ours.bats - our preload on a real VPP, both ends on it (cut-through)
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers

setup_file() {
  start_vpp
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 50 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$BATS_FILE_TMPDIR/root/small"
}
teardown_file() { stop_vpp; }
setup() { need_vpp; }
teardown() {
  stop_all
  [ -z "${SAPID_PID:-}" ] || stop_sapid
}

@test "VPP, cut-through: bytes both ways, a hundred connections" {
  scenes 127.0.0.1 127.0.0.1 echo many digest large
}

@test "VPP, cut-through: the same by IPv6, and by a listener for both" {
  scenes ::1 ::1 echo digest large
  scenes :: 127.0.0.1 echo digest
  scenes :: ::1 echo digest
}

@test "VPP, cut-through: half close" {
  scenes 127.0.0.1 127.0.0.1 half_close
}

@test "VPP, cut-through: closes of either end" {
  scenes 127.0.0.1 127.0.0.1 unread leave flee
}

@test "VPP, cut-through: resets of either end" {
  since 26.02 RESET
  scenes 127.0.0.1 127.0.0.1 reset abort
}

@test "VPP, cut-through: a listener that closes before it accepts" {
  since 26.02 RESET
  scenes 127.0.0.1 127.0.0.1 close_listener
}

@test "VPP, cut-through: refused, blocking and not" {
  scenes 127.0.0.1 127.0.0.1 refused refused_nonblock refused_again
}

@test "VPP, cut-through: without blocking, and the ends' names" {
  scenes 127.0.0.1 127.0.0.1 nonblock names
}

@test "VPP, cut-through: a window that is full for seconds" {
  scenes 127.0.0.1 127.0.0.1 late
}

# measured OPTION...: its server closes its listener behind each test, and who
# comes then is refused, as over the kernel
measured() {
  status=0
  as shm timeout 60 iperf3 -c 127.0.0.1 -p "$port" -t 2 -J "$@" \
    > "$BATS_TEST_TMPDIR/out" || status=$?
  ! grep -q "unable to connect to server" "$BATS_TEST_TMPDIR/out"
}

# waits: what a server and a client of ours, connected, use of their CPU in
# two seconds of having nothing to do, in hundredths of a second
waits() {
  local pids=()
  free_port
  serve shm "$python" "$ends" serve 127.0.0.1 "$port"
  wait_vpp "$port"
  pids+=("$server")
  serve shm "$python" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
s.settimeout(None)
s.sendall(b"echo\nhello")
assert s.recv(10) == b"hello"
print("connected", flush=True)
s.recv(1)' "$port"
  pids+=("$server")
  within 20 grep -q connected "$server_log"
  used "${pids[@]}" > "$BATS_TEST_TMPDIR/before"
  sleep 2
  used "${pids[@]}" > "$BATS_TEST_TMPDIR/after"
  echo $(($(cat "$BATS_TEST_TMPDIR/after") - $(cat "$BATS_TEST_TMPDIR/before")))
}

# used PID...: utime and stime
used() {
  local pid sum=0 stat
  for pid; do
    stat=$(cat "/proc/$pid/stat")
    # shellcheck disable=SC2086 # fields, behind a name with anything in it
    set -- ${stat##*) }
    sum=$((sum + ${12} + ${13}))
  done
  echo "$sum"
}

# VPP's preload polls all the time without it; ours waits, with and without
@test "VPP, cut-through: without use-mq-eventfd all works, and nobody polls" {
  local ticks
  sed '/use-mq-eventfd/d' "$SAPI_CONFIG" > "$BATS_TEST_TMPDIR/conf"
  run ! diff "$SAPI_CONFIG" "$BATS_TEST_TMPDIR/conf"
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/conf
  scenes 127.0.0.1 127.0.0.1 echo many digest half_close late
  ticks=$(waits)
  echo "$ticks hundredths of a second in two seconds"
  [ "$ticks" -lt 40 ]
}

@test "VPP, cut-through: iperf3 forth, back, and four streams" {
  local opt
  need iperf3 jq
  free_port
  serve shm iperf3 -s -p "$port"
  for opt in "" -R "-P 4"; do
    wait_vpp "$port"
    # shellcheck disable=SC2086 # options
    within 20 measured $opt
    jq -r '.error // empty' "$BATS_TEST_TMPDIR/out"
    [ "$status" = 0 ]
    jq -e 'has("error") | not' "$BATS_TEST_TMPDIR/out" > /dev/null
    [ "$(jq .end.sum_received.bytes "$BATS_TEST_TMPDIR/out")" -gt 0 ]
  done
}

@test "VPP, cut-through: redis, every test of its benchmark" {
  need redis-server redis-cli redis-benchmark
  free_port
  serve shm redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR"
  wait_vpp "$port"
  as shm timeout 100 redis-benchmark -p "$port" -q -c 50 -n 2000 \
    > "$BATS_TEST_TMPDIR/out"
  tr '\r' '\n' < "$BATS_TEST_TMPDIR/out" |
    grep -c 'requests per second' > "$BATS_TEST_TMPDIR/count"
  [ "$(cat "$BATS_TEST_TMPDIR/count")" -ge 20 ]
  # a value of 64 MiB, and a client of the kernel's beside
  hash=$(blob 64 "$BATS_TEST_TMPDIR/in")
  [ "$(as shm redis-cli -p "$port" -x set large < "$BATS_TEST_TMPDIR/in")" = OK ]
  for mode in shm bare; do
    as "$mode" redis-cli -p "$port" get large | head -c 64M | hash_of - \
      > "$BATS_TEST_TMPDIR/hash"
    [ "$(cat "$BATS_TEST_TMPDIR/hash")" = "$hash" ]
  done
}

# nginx WORKERS: on $port
web() {
  local dir
  dir=$(mktemp -d "$BATS_TEST_TMPDIR/nginx.XXXXXX")
  free_port
  nginx_conf "$dir" "$1" "127.0.0.1:$port" > "$dir/nginx.conf"
  serve shm nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  wait_vpp "$port"
}

fetch() {
  as "$1" timeout 60 curl -sS --fail "${@:3}" "http://127.0.0.1:$port/$2"
}

# pages: what nginx serves arrives, through VPP and beside it
pages() {
  local mode
  for mode in shm bare; do
    fetch "$mode" large | hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
    fetch "$mode" 'small?[1-200]' > "$BATS_TEST_TMPDIR/out"
    [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 200 ]
    fetch "$mode" 'small?[1-200]' -H 'Connection: close' \
      > "$BATS_TEST_TMPDIR/out"
    [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 200 ]
  done
}

@test "VPP, cut-through: nginx and curl" {
  need nginx curl
  web 1
  pages
}

@test "VPP, cut-through: nginx with four workers" {
  need nginx curl
  web 4
  pages
}

@test "VPP, cut-through: a server that forks for each connection" {
  forking_server
}

# somebody who may not see which libraries VPP has
@test "VPP, cut-through: an ordinary user, who has to ask which release it is" {
  local user=(setpriv --reuid 65534 --clear-groups)
  need setpriv
  [ "$(id -u)" = 0 ] || skip "needs root, to be somebody else"
  "${user[@]}" test -r "$PRELOAD_LIB" -a -r "$ends" ||
    skip "the build tree is not open to others"
  free_port
  export SAPI_LOG=info
  serve shm "${user[@]}" "$python" "$ends" serve 127.0.0.1 "$port"
  wait_vpp "$port"
  run -0 as shm timeout 60 "${user[@]}" "$python" "$ends" ask 127.0.0.1 "$port" \
    echo digest
  if is_since 26.02; then
    [[ $output == *"a VPP from 26.02 on"* ]]
  else
    [[ $output == *"a VPP up to 25.10"* ]]
  fi
  [[ $output == *"echo 200 echoes"* ]]
  [[ $output == *"digest True"* ]]
}

@test "VPP, cut-through: a release that is not known is refused, and named" {
  sed 's/^sapi {.*/sapi {\nvpp-release 27.02\nuse vpp tcp_* *:*\n}/' "$SAPI_CONFIG" \
    > "$BATS_TEST_TMPDIR/conf"
  free_port
  serve bare "$python" "$ends" serve 127.0.0.1 "$port"
  within 20 grep -q ready "$server_log"
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/conf SAPI_LOG=warn
  run -0 as shm timeout 60 "$python" "$ends" ask 127.0.0.1 "$port" echo
  [[ $output == *"VPP 27.02 is not known"* ]]
  [[ $output == *"echo 200 echoes"* ]]
}

# established PORT: by the kernel's own connections, how many ends
established() {
  ss -Htn state established "( sport = :$1 or dport = :$1 )" | wc -l
}

@test "VPP, cut-through: rules choose VPP, shared memory or the kernel by the socket" {
  local ports=() before
  need jq ss
  for _ in 1 2 3; do
    free_port
    ports+=("$port")
  done
  start_sapid
  export SAPI_CONFIG=$SAPI_DIR/rules.conf
  {
    cat "$VCL_CONF"
    printf '%s\n' 'sapi {' 'default os' "use vpp tcp_* *:${ports[0]} require" \
      "use shm tcp_* *:${ports[1]} require" '}'
  } > "$SAPI_CONFIG"
  before=$(sessions)
  # one program at either end
  cat > "$BATS_TEST_TMPDIR/three.py" << 'END'
import select, socket, sys

ports = [int(port) for port in sys.argv[2:]]
if sys.argv[1] == "serve":
    listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
    print("ready", flush=True)
    accepted = [l.accept()[0] for l in listeners]
    for s in accepted:
        s.sendall(s.recv(100).upper())
    select.select([], [], [])
socks = [socket.create_connection(("127.0.0.1", port), 20) for port in ports]
for s, port in zip(socks, ports):
    s.sendall(b"this is %d" % port)
    assert s.recv(100) == b"THIS IS %d" % port
print("connected", flush=True)
select.select([], [], [])
END
  serve shm "$python" "$BATS_TEST_TMPDIR/three.py" serve "${ports[@]}"
  within 20 grep -q ready "$server_log"
  serve shm "$python" "$BATS_TEST_TMPDIR/three.py" ask "${ports[@]}"
  within 20 grep -q connected "$server_log" || cat "$server_log"
  vppctl show session verbose > "$BATS_TEST_TMPDIR/vpp"
  cat "$BATS_TEST_TMPDIR/vpp"
  echo "of the kernel: $(for port in "${ports[@]}"; do established "$port"; done)"
  grep -q ":${ports[0]}->" "$BATS_TEST_TMPDIR/vpp"
  run ! grep -E ":(${ports[1]}|${ports[2]})->" "$BATS_TEST_TMPDIR/vpp"
  [ "$(sessions)" = $((before + 1)) ]
  [ "$(established "${ports[0]}")" = 0 ]
  [ "$(established "${ports[1]}")" = 0 ]
  [ "$(established "${ports[2]}")" = 2 ]
}

# VPP connects no application to itself, and the kernel does
@test "VPP, cut-through: a program that connects to itself, if it may" {
  export SAPI_CONFIG=$VCL_CONF
  scenes 127.0.0.1 127.0.0.1 self
}

@test "VPP, cut-through: a vcl.conf as it stands, without a rule" {
  need unshare
  [ "$(id -u)" = 0 ] || skip "needs root"
  export SAPI_CONFIG=$VCL_CONF
  free_port
  serve shm "$python" "$ends" serve 0.0.0.0 "$port"
  wait_vpp "$port"
  # in a network of its own the kernel leads nowhere
  run -0 as shm timeout 60 unshare -n "$python" "$ends" ask 127.0.0.1 "$port" echo
  [ "$output" = "echo 200 echoes" ]
}
