#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

setup_file() {
  start_sapid
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 16 "$BATS_FILE_TMPDIR/root/blob" > "$BATS_FILE_TMPDIR/hash"
  blob 32 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/large"
}
teardown_file() { stop_sapid; }
setup() {
  need haproxy /usr/bin/python3
  need_preloaded curl --version
}
teardown() { stop_all; }

# server_up HOW: serves $BATS_FILE_TMPDIR/root on $behind
server_up() {
  free_port
  behind=$port
  serve "$1" /usr/bin/python3 -m http.server "$behind" --bind 127.0.0.1 \
    --directory "$BATS_FILE_TMPDIR/root"
  wait_port "$behind"
}

# front: of a configuration, the end of its defaults, and what listens on $port,
# before $behind
front() {
  cat << END
  timeout connect 10s
  timeout client 30s
  timeout server 30s
listen front
  bind 127.0.0.1:$port
  server behind 127.0.0.1:$behind
END
}

# haproxy_up HOW DEFAULTS: on $port, before $behind
haproxy_up() {
  free_port
  cat > "$BATS_TEST_TMPDIR/haproxy.cfg" << END
defaults
  $2
$(front)
END
  serve "$1" haproxy -f "$BATS_TEST_TMPDIR/haproxy.cfg"
  wait_port "$port"
}

behind_proxy() {
  local behind mode
  server_up "$1"
  for mode in tcp http; do
    haproxy_up "$1" "mode $mode"
    as "$2" timeout 60 curl -sS --fail "http://127.0.0.1:$port/blob?[1-5]" \
      -o "$BATS_TEST_TMPDIR/out.#1"
    for i in {1..5}; do
      hash_of < "$BATS_TEST_TMPDIR/out.$i" | diff - "$BATS_FILE_TMPDIR/hash"
    done
  done
}

# bytes go from one connection to the other by a pipe, and by splice(2)
by_splice() {
  local behind
  server_up "$1"
  haproxy_up "$1" "mode tcp
  option splice-request
  option splice-response"
  as "$2" timeout 60 curl -sS --fail "http://127.0.0.1:$port/large?[1-3]" \
    -o "$BATS_TEST_TMPDIR/out.#1"
  for i in {1..3}; do
    hash_of < "$BATS_TEST_TMPDIR/out.$i" | diff - "$BATS_FILE_TMPDIR/large"
  done
}

@test "haproxy: a large file by splice" {
  haproxy -vv | grep -q '+LINUX_SPLICE' || skip "haproxy without splice"
  each_pair_and_way by_splice
}

@test "haproxy: in front of a server, by connection and by request" {
  each_pair_and_way behind_proxy
}

# haproxy_threads HOW [OPTION...]: two threads, with $admin to hand the listeners
# over; the web server is haproxy's own, so that nothing else may fail
haproxy_threads() {
  cat > "$BATS_TEST_TMPDIR/threads.cfg" << EOF
global
  nbthread 2
  stats socket $admin mode 600 level admin expose-fd listeners
  hard-stop-after 30s
defaults
  mode http
$(front)
frontend behind
  bind 127.0.0.1:$behind
  http-request return status 200 content-type text/plain file $BATS_FILE_TMPDIR/page
EOF
  serve "$1" haproxy -f "$BATS_TEST_TMPDIR/threads.cfg" "${@:2}"
}

# A new process takes the listeners over from the old one, which finishes.
reloaded() {
  local behind admin load many old
  head -c 10000 /dev/zero | tr '\0' x > "$BATS_FILE_TMPDIR/page"
  admin=$SAPI_DIR/admin
  free_port
  behind=$port
  free_port
  haproxy_threads "$1"
  wait_port "$port"
  old=$server
  serve "$2" timeout 100 wrk -t 2 -c 20 -d 6 "http://127.0.0.1:$port/"
  load=$server load_log=$server_log
  serve "$2" timeout 100 curl -sS --fail -H 'Connection: close' \
    "http://127.0.0.1:$port/?[1-1000]"
  many=$server many_log=$server_log
  for _ in 1 2 3; do
    haproxy_threads "$1" -x "$admin" -sf "$old"
    within 40 gone "$old"
    old=$server
  done
  within 60 gone "$load"
  within 60 gone "$many"
  cat "$load_log"
  grep -q '[1-9][0-9][0-9]* requests in' "$load_log"
  run ! grep -E 'Non-2xx|connect [1-9]|timeout [1-9]' "$load_log"
  [ "$(wc -c < "$many_log")" = 10000000 ]
  [ "$(tr -d x < "$many_log" | wc -c)" = 0 ]
}

@test "haproxy: two threads, reloaded with -x under load" {
  long
  need wrk
  each_pair reloaded
}
