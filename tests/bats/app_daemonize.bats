#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Programs that leave the process which their user started: what they have set
# up by then must go on over shared memory.

python=/usr/bin/python3

setup_file() {
  start_sapid
  way session
}
teardown_file() { stop_sapid; }
setup() { pidfile=$BATS_TEST_TMPDIR/pid; }
teardown() {
  stop_daemon
  stop_all
}

# daemonize COMMAND...: it must return at once, and write $pidfile
daemonize() {
  as shm timeout 20 "$@" < /dev/null > "$BATS_TEST_TMPDIR/log" 2>&1 3>&-
  # shellcheck disable=SC2154 # each test sets its port
  wait_port "$port"
  within 20 [ -s "$pidfile" ]
}

stop_daemon() {
  [ -s "$pidfile" ] || return 0
  pid=$(cat "$pidfile")
  rm -f "$pidfile"
  kill -TERM "$pid" 2> /dev/null || return 0
  within 10 gone "$pid" && return
  echo "does not end on SIGTERM: $pid"
  kill -KILL "$pid"
  return 1
}

# shellcheck disable=SC2034 # of wait_port
server_log=/dev/null

# carried N COMMAND...: it made N connections, and all went by shared memory
carried() {
  local before n=$1
  before=$(sessions)
  as shm timeout 60 "${@:2}" > "$BATS_TEST_TMPDIR/out"
  echo "sessions: $before, then $(sessions)"
  [ "$(sessions)" -ge $((before + n)) ]
}

@test "daemonize: redis" {
  need redis-server redis-cli
  free_port
  daemonize redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR" --daemonize yes \
    --pidfile "$pidfile"
  carried 1 redis-cli -p "$port" set a 1
  carried 1 redis-cli -p "$port" get a
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = 1 ]
}

@test "daemonize: redis, by links" {
  need redis-server redis-benchmark
  way link
  free_port
  daemonize redis-server --port "$port" --bind 127.0.0.1 --save "" \
    --appendonly no --dir "$BATS_TEST_TMPDIR" --daemonize yes \
    --pidfile "$pidfile"
  carried 5 redis-benchmark -p "$port" -q -n 2000 -c 5 -t set
}

@test "daemonize: memcached" {
  need memcached "$python"
  local user=()
  [ "$(id -u)" != 0 ] || user=(-u root)
  free_port
  daemonize memcached -d -P "$pidfile" -l 127.0.0.1 -p "$port" -U 0 -t 2 \
    "${user[@]}"
  carried 8 "$python" -c '
import socket, sys
for i in range(8):
    f = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
    f = f.makefile("rwb", buffering=0)
    f.write(b"set k%d 0 0 1\r\nv\r\n" % i)
    assert f.readline() == b"STORED\r\n"' "$port"
}

# nginx listens, then makes itself a daemon, whose workers have their own epoll
# instances: three generations
@test "daemonize: nginx" {
  need nginx curl
  free_port
  mkdir "$BATS_TEST_TMPDIR/root"
  echo hello > "$BATS_TEST_TMPDIR/root/small"
  {
    [ "$(id -u)" != 0 ] || echo "user root root;"
    cat << END
worker_processes 2;
daemon on;
pid $pidfile;
error_log $BATS_TEST_TMPDIR/error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path $BATS_TEST_TMPDIR/body;
  proxy_temp_path $BATS_TEST_TMPDIR/proxy;
  fastcgi_temp_path $BATS_TEST_TMPDIR/fastcgi;
  uwsgi_temp_path $BATS_TEST_TMPDIR/uwsgi;
  scgi_temp_path $BATS_TEST_TMPDIR/scgi;
  server { listen 127.0.0.1:$port; root $BATS_TEST_TMPDIR/root; }
}
END
  } > "$BATS_TEST_TMPDIR/nginx.conf"
  need_preloaded curl --version
  daemonize nginx -e "$BATS_TEST_TMPDIR/error.log" \
    -c "$BATS_TEST_TMPDIR/nginx.conf"
  within 20 workers_listen 2
  carried 50 curl -sS --fail -H 'Connection: close' \
    "http://127.0.0.1:$port/small?[1-50]"
  [ "$(grep -cx hello "$BATS_TEST_TMPDIR/out")" = 50 ]
}

# workers_listen N: so many have announced themselves
workers_listen() {
  [ "$("$SAPI" status --json --run-dir "$SAPI_DIR/run" |
    jq '[.. | objects | .listeners? // [] | .[] | .workers] | add')" = "$1" ]
}

# The loop is set up before the fork; the parent goes before the child looks at
# it, or when the child has served one.
loop_first() {
  free_port
  cat > "$BATS_TEST_TMPDIR/loop.py" << 'END'
import os, select, socket, sys
port, pidfile, when = int(sys.argv[1]), sys.argv[2], sys.argv[3]
l = socket.create_server(("127.0.0.1", port))
ep = select.epoll() if when != "poll" else None
if ep:
    ep.register(l, select.EPOLLIN)
rd, wr = os.pipe()
if os.fork():
    os.close(wr)
    os.read(rd, 1)
    os._exit(0)
os.setsid()
if when != "late":
    parent = os.getppid()
    os.close(wr)
    os.close(rd)
    while os.getppid() == parent:
        pass
with open(pidfile, "w") as f:
    f.write(str(os.getpid()))
for i in range(20):
    if ep:
        assert ep.poll(30)
    else:
        p = select.poll()
        p.register(l, select.POLLIN)
        assert p.poll(30000)
    c, _ = l.accept()
    c.sendall(b"hello")
    c.close()
    if i == 0 and when == "late":
        os.close(wr)
END
  serve shm "$python" "$BATS_TEST_TMPDIR/loop.py" "$port" "$pidfile" "$1"
  wait_port "$port"
  within 20 [ -s "$pidfile" ]
}

loop_first_clients() {
  for _ in {1..8}; do
    carried 1 "$python" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
assert s.recv(5, socket.MSG_WAITALL) == b"hello"' "$port"
  done
}

@test "daemonize: epoll filled before the fork, the parent gone before the wait" {
  need "$python"
  loop_first early
  within 20 workers_listen 1
  loop_first_clients
}

@test "daemonize: epoll filled before the fork, the parent goes later" {
  need "$python"
  loop_first late
  within 20 workers_listen 1
  loop_first_clients
}

@test "daemonize: poll" {
  need "$python"
  loop_first poll
  within 20 workers_listen 1
  loop_first_clients
}
