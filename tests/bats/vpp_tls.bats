#!/usr/bin/env bats
# vpp_tls.bats - TLS by a real VPP: our programs speak plain text, and who is at
# the other end of the cable speaks TLS
bats_require_minimum_version 1.5.0
load helpers
load vpp_helpers

tls_ends=$top_srcdir/tests/bats/tls_ends.py

# certificate NAME CA SUBJECT [EXTENSION]: $TLS_DIR/NAME.{pem,key}, by CA
certificate() {
  openssl req -newkey rsa:2048 -nodes -keyout "$TLS_DIR/$1.key" -subj "/CN=$3" \
    -out "$TLS_DIR/$1.csr" 2> /dev/null
  openssl x509 -req -in "$TLS_DIR/$1.csr" -CA "$TLS_DIR/$2.pem" \
    -CAkey "$TLS_DIR/$2.key" -CAcreateserial -days 3 -out "$TLS_DIR/$1.pem" \
    -extfile <(echo "${4:-}") 2> /dev/null
}

authority() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$TLS_DIR/$1.key" \
    -subj "/CN=$1" -days 3 -out "$TLS_DIR/$1.pem" 2> /dev/null
}

certificates() {
  mkdir "$TLS_DIR"
  authority ca
  authority stranger
  certificate server ca server.test \
    subjectAltName=DNS:server.test,DNS:localhost,IP:10.10.0.1,IP:10.10.0.2,IP:fd10::1,IP:fd10::2
  certificate client ca client.test
  certificate other ca other.test
  certificate strange stranger server.test subjectAltName=DNS:server.test
}

# VPP trusts whom the host trusts; its ca-cert-path comes too late (26.06)
in_here() {
  # shellcheck disable=SC2016 # for the shell in there
  exec ip netns exec "$here" sh -c \
    'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"' \
    "$TLS_DIR/ca.pem" "$@"
}

setup_file() {
  export TLS_DIR=$BATS_FILE_TMPDIR/tls cable=no
  command -v openssl > /dev/null || return 0
  certificates
  lay_cable tlsopenssl_plugin.so || return 0
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 20 "$BATS_FILE_TMPDIR/root/large" > "$BATS_FILE_TMPDIR/hash"
  echo hello > "$BATS_FILE_TMPDIR/root/small"
}

teardown_file() { cut_cable; }
setup() {
  need openssl "$python"
  need_cable
  vpp_answers || { run_vpp in_here && plug_in; }
  tls
}
teardown() { stop_all; }

# rules RULE...
rules() {
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/tls.conf
  {
    vcl_conf "$VPP_DIR/app_ns_sockets/default" "session-timeout 8"
    echo 'sapi {'
    printf '%s\n' "$@"
    echo '}'
  } > "$SAPI_CONFIG"
}

# tls [OPTION...]: of servers and clients alike
tls() {
  rules "use vpp tcp_server *:* tls tls-cert=$TLS_DIR/server.pem \
      tls-key=$TLS_DIR/server.key $*" "use vpp tcp_client *:* tls $*"
}

# our_server ADDRESS: on $port, in plain text as it thinks
our_server() {
  free_port
  serve shm "$python" "$tls_ends" serve plain "$1" "$port"
  wait_tls "$port"
}

# wait_tls PORT: somebody listens there by VPP's TLS
wait_tls() {
  within 20 tls_listens "$1" && return
  vppctl show session verbose
  cat "$server_log"
  return 1
}

tls_listens() {
  within 2 grep -q ready "$server_log" &&
    over timeout 5 openssl s_client -connect "10.10.0.1:$1" -CAfile \
      "$TLS_DIR/ca.pem" -verify_return_error < /dev/null > /dev/null 2>&1
}

# their_server HOW ADDRESS: of the kernel's at the other end, on $port
their_server() {
  free_port
  serve bare nsenter "--net=/run/netns/$there" "$python" "$tls_ends" serve "$1" \
    "$2" "$port"
  within 20 grep -q ready "$server_log"
}

# we ADDRESS SCENE..., they HOW ADDRESS SCENE...: what the client says
we() {
  as shm timeout 100 "$python" "$tls_ends" ask plain "$1" "$port" "${@:2}" |
    tee -a /dev/stderr
}
they() {
  over timeout 100 "$python" "$tls_ends" ask "$1" "$2" "$port" "${@:3}" |
    tee -a /dev/stderr
}

# listens_not ERRNO [RULE...]: our server can't listen, and nobody listens there
# by the kernel instead
listens_not() {
  free_port
  [ $# -eq 1 ] || rules "${@:2}"
  run as shm timeout 20 "$python" -c '
import errno, socket, sys
s = socket.socket()
s.bind(("0.0.0.0", int(sys.argv[1])))
try:
    s.listen()
    print("listens")
except OSError as e:
    print(errno.errorcode.get(e.errno, e))
try:
    socket.socket().connect(("127.0.0.1", int(sys.argv[1])))
    print("connected")
except OSError as e:
    pass' "$port"
  echo "$output"
  [ "$output" = "$1" ]
}

@test "VPP, TLS: our server to a client of the kernel's: bytes both ways" {
  our_server 0.0.0.0
  they tls 10.10.0.1 echo digest large many > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out" "$server_log"
  diff "$BATS_TEST_TMPDIR/out" - << 'END'
echo 200 echoes
digest True
large True
many 100
END
}

@test "VPP, TLS: our client to a server of the kernel's: bytes both ways" {
  their_server tls 10.10.0.2
  we 10.10.0.2 echo digest large many > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out" "$server_log"
  diff "$BATS_TEST_TMPDIR/out" - << 'END'
echo 200 echoes
digest True
large True
many 100
END
  run ! grep server: "$server_log"
}

@test "VPP, TLS: IPv6, a listener for both, and the ends' names" {
  our_server ::
  they tls fd10::1 echo
  they tls 10.10.0.1 echo
  grep -q "accepted fd10::2" "$server_log"
  grep -q "accepted ::ffff:10.10.0.2" "$server_log"
  stop_all
  their_server tls fd10::2
  [ "$(we fd10::2 names)" = "names (True, 'fd10::1')" ]
}

@test "VPP, TLS: a peer that does not read for seconds" {
  our_server 0.0.0.0
  [ "$(they tls 10.10.0.1 digest)" = "digest True" ]
  stop_all
  their_server tls 10.10.0.2
  [ "$(we 10.10.0.2 late)" = "late (True, True)" ]
}

@test "VPP, TLS: half closes, as far as they go" {
  our_server 0.0.0.0
  # the end is told, with all that came before it, by TLS's own word for it
  [ "$(they tls 10.10.0.1 closes)" = "closes (b'bye', '')" ]
  stop_all
  their_server tls 10.10.0.2
  [ "$(we 10.10.0.2 half)" = "half ('the word is hello', b'', 'EPIPE')" ]
}

@test "VPP, TLS: who ends without a close has sent all" {
  # the process of the connection, and one that it made for it
  cat > "$BATS_TEST_TMPDIR/end.py" << 'END'
import os, random, signal, socket, sys

def serve(s):
    s.settimeout(20)
    while (byte := s.recv(1)) != b"\n":
        if not byte:
            return
    s.sendall(random.Random("large").randbytes(8 << 20))
    os._exit(0)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
l = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("ready", flush=True)
while True:
    s, _ = l.accept()
    if sys.argv[2] == "alone":
        serve(s)
    elif os.fork() == 0:
        l.close()
        serve(s)
        os._exit(0)
    s.close()
END
  for how in alone fork; do
    free_port
    serve shm "$python" "$BATS_TEST_TMPDIR/end.py" "$port" "$how"
    wait_tls "$port"
    [ "$(they tls 10.10.0.1 large)" = "large True" ]
    stop_all
  done
}

# watched COMMAND...: on the wire meanwhile; what was seen in $watched
watched() {
  local watcher fifo=$BATS_TEST_TMPDIR/watch
  rm -f "$fifo"
  mkfifo "$fifo"
  over "$python" "$tls_ends" watch kernel "the word is" "$WORD" \
    < "$fifo" > "$BATS_TEST_TMPDIR/watched" 3>&- &
  watcher=$!
  exec 8> "$fifo"
  within 20 grep -q ready "$BATS_TEST_TMPDIR/watched"
  "$@" > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  exec 8>&-
  wait "$watcher"
  watched=$(tail -n +2 "$BATS_TEST_TMPDIR/watched")
  echo "$watched"
}

@test "VPP, TLS: no word goes by in clear, and without the rule it does" {
  export WORD=open-sesame
  our_server 0.0.0.0
  watched they tls 10.10.0.1 word
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = "word the word is $WORD" ]
  [ "$watched" = $'the word is not seen\nopen-sesame not seen\nTLS seen' ]
  stop_all
  their_server tls 10.10.0.2
  watched we 10.10.0.2 word
  [ "$(cat "$BATS_TEST_TMPDIR/out")" = "word the word is $WORD" ]
  [ "$watched" = $'the word is not seen\nopen-sesame not seen\nTLS seen' ]
  stop_all
  # is it the rule that hides it?
  rules 'use vpp tcp_* *:* require'
  their_server plain 10.10.0.2
  watched we 10.10.0.2 word
  [ "$watched" = $'the word is seen\nopen-sesame seen\nTLS not seen' ]
}

@test "VPP, TLS: openssl s_client and s_server" {
  our_server 0.0.0.0
  run -0 over timeout 20 openssl s_client -connect "10.10.0.1:$port" \
    -CAfile "$TLS_DIR/ca.pem" -verify_return_error -quiet <<< $'word\nhello'
  [[ $output == *"the word is hello"* ]]
  stop_all
  free_port
  serve bare nsenter "--net=/run/netns/$there" openssl s_server -accept \
    "10.10.0.2:$port" -cert "$TLS_DIR/server.pem" -key "$TLS_DIR/server.key" -rev
  within 20 grep -q ACCEPT "$server_log"
  run -0 as shm timeout 20 "$python" -c '
import socket, sys
with socket.create_connection(("10.10.0.2", int(sys.argv[1])), 10) as s:
    s.sendall(b"stressed\n")
    print(s.recv(100).decode())' "$port"
  [[ $output == desserts* ]]
}

@test "VPP, TLS: nginx to curl and wrk of the kernel" {
  local dir=$BATS_TEST_TMPDIR
  need nginx curl
  free_port
  nginx_conf "$dir" 2 "$port" > "$dir/nginx.conf"
  serve shm nginx -e "$dir/error.log" -c "$dir/nginx.conf"
  wait_vpp "$port"
  fetch() { over timeout 60 curl -sS --fail --cacert "$TLS_DIR/ca.pem" "$@"; }
  fetch "https://10.10.0.1:$port/large" | hash_of - |
    diff - "$BATS_FILE_TMPDIR/hash"
  fetch "https://10.10.0.1:$port/small?[1-100]" > "$dir/out"
  [ "$(grep -cx hello "$dir/out")" = 100 ]
  fetch -H 'Connection: close' "https://10.10.0.1:$port/small?[1-30]" > "$dir/out"
  [ "$(grep -cx hello "$dir/out")" = 30 ]
  command -v wrk || return 0
  over timeout 60 wrk -t 1 -c 20 -d 2 "https://10.10.0.1:$port/small" \
    > "$dir/out"
  cat "$dir/out"
  grep -q '[1-9][0-9]* requests in' "$dir/out"
  run ! grep -E 'Socket errors|Non-2xx' "$dir/out"
}

@test "VPP, TLS: our curl, by http, to nginx of the kernel, by https" {
  local dir=$BATS_TEST_TMPDIR
  need nginx curl
  free_port
  nginx_conf "$dir" 1 "10.10.0.2:$port ssl" \
    "ssl_certificate $TLS_DIR/server.pem; ssl_certificate_key $TLS_DIR/server.key;" \
    > "$dir/nginx.conf"
  serve bare nsenter "--net=/run/netns/$there" nginx -e "$dir/error.log" \
    -c "$dir/nginx.conf"
  within 20 over curl -sfk -o /dev/null "https://10.10.0.2:$port/small"
  as shm timeout 60 curl -sS --fail "http://10.10.0.2:$port/large" | hash_of - |
    diff - "$BATS_FILE_TMPDIR/hash"
  as shm timeout 60 curl -sS --fail "http://10.10.0.2:$port/small?[1-50]" \
    > "$dir/out"
  [ "$(grep -cx hello "$dir/out")" = 50 ]
}

@test "VPP, TLS: a server's redis, and its client's, each without TLS of its own" {
  local i
  need redis-server redis-cli
  redis-cli --help 2>&1 | grep -q -- --tls || skip "redis without TLS"
  free_port
  serve shm redis-server --port "$port" --bind 0.0.0.0 --protected-mode no \
    --save "" --appendonly no --dir "$BATS_TEST_TMPDIR"
  wait_vpp "$port"
  for i in {1..10}; do
    [ "$(over timeout 20 redis-cli --tls --cacert "$TLS_DIR/ca.pem" \
      -h 10.10.0.1 -p "$port" incr n)" = "$i" ]
  done
  stop_all
  free_port
  serve bare nsenter "--net=/run/netns/$there" redis-server --port 0 \
    --tls-port "$port" --bind 10.10.0.2 --tls-cert-file "$TLS_DIR/server.pem" \
    --tls-key-file "$TLS_DIR/server.key" --tls-ca-cert-file "$TLS_DIR/ca.pem" \
    --tls-auth-clients no --protected-mode no --save "" --appendonly no \
    --dir "$BATS_TEST_TMPDIR"
  within 20 grep -q Ready "$server_log"
  for i in {1..10}; do
    as shm timeout 20 redis-cli -h 10.10.0.2 -p "$port" incr n \
      > "$BATS_TEST_TMPDIR/out"
    cat "$BATS_TEST_TMPDIR/out"
    [ "$(cat "$BATS_TEST_TMPDIR/out")" = "$i" ]
  done
}

# --- what is refused ---

@test "VPP, TLS: a certificate or a key that is none, is another's, or is not there" {
  local server="use vpp tcp_server *:* tls"
  echo nonsense > "$BATS_TEST_TMPDIR/nonsense"
  listens_not ENOENT "$server tls-cert=$TLS_DIR/none tls-key=$TLS_DIR/server.key"
  listens_not EKEYREJECTED \
    "$server tls-cert=$BATS_TEST_TMPDIR/nonsense tls-key=$TLS_DIR/server.key"
  listens_not EKEYREJECTED \
    "$server tls-cert=$TLS_DIR/server.pem tls-key=$BATS_TEST_TMPDIR/nonsense"
  listens_not EKEYREJECTED \
    "$server tls-cert=$TLS_DIR/server.pem tls-key=$TLS_DIR/client.key"
  listens_not EINVAL "$server"
  # VPP goes on
  tls
  our_server 0.0.0.0
  [ "$(they tls 10.10.0.1 echo)" = "echo 200 echoes" ]
}

@test "VPP, TLS: who speaks plain text to our server is not accepted" {
  our_server 0.0.0.0
  before=$(grep -c accepted "$server_log")
  they plain 10.10.0.1 connect > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qE "^connect \('connected', '(EOFError|ConnectionResetError)'\)" \
    "$BATS_TEST_TMPDIR/out"
  # and the kernel, which the listener is in, too, lets nobody in
  run timeout 2 "$python" "$tls_ends" ask plain 127.0.0.1 "$port" connect
  [ "$status" -eq 124 ]
  [ "$(grep -c accepted "$server_log")" -eq "$before" ]
  [ "$(they tls 10.10.0.1 echo)" = "echo 200 echoes" ]
}

@test "VPP, TLS: a client that does not believe our server" {
  need curl
  our_server 0.0.0.0
  before=$(grep -c accepted "$server_log")
  run -60 over timeout 20 curl -sS --cacert "$TLS_DIR/stranger.pem" \
    "https://10.10.0.1:$port/"
  run ! over timeout 20 openssl s_client -connect "10.10.0.1:$port" \
    -CAfile "$TLS_DIR/stranger.pem" -verify_return_error -tls1_2 < /dev/null
  [ "$(they tls 10.10.0.1 echo)" = "echo 200 echoes" ]
  # TLS 1.3's client is through before it says no, so one more may be there
  [ "$(grep -c accepted "$server_log")" -le $((before + 2)) ]
}

@test "VPP, TLS: our client, refused, and in vain" {
  # nobody there
  free_port
  [ "$(we 10.10.0.2 connect)" = "connect ECONNREFUSED" ]
  [ "$(we 10.10.0.2 nonblock)" = "nonblock ECONNREFUSED" ]
  # somebody who does not speak TLS
  free_port
  serve bare nsenter "--net=/run/netns/$there" "$python" -c '
import socket, sys, time
l = socket.create_server(("10.10.0.2", int(sys.argv[1])))
print("ready", flush=True)
while True:
    s, _ = l.accept()
    s.recv(1000)
    s.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")' "$port"
  within 20 grep -q ready "$server_log"
  [ "$(we 10.10.0.2 connect)" = "connect EPROTO" ]
  [ "$(we 10.10.0.2 nonblock)" = "nonblock EPROTO" ]
  stop_all
  # somebody who does not answer: session-timeout, or the program's own
  free_port
  serve bare nsenter "--net=/run/netns/$there" "$python" -c '
import socket, sys, time
l = socket.create_server(("10.10.0.2", int(sys.argv[1])))
print("ready", flush=True)
time.sleep(100)' "$port"
  within 20 grep -q ready "$server_log"
  [ "$(we 10.10.0.2 block)" = "block ETIMEDOUT" ]
  [ "$(we 10.10.0.2 connect)" = "connect TimeoutError" ]
}

@test "VPP, TLS: a VPP that verifies nobody is not asked to" {
  ! is_since 26.02 || skip "VPP $vpp_release verifies"
  their_server tls 10.10.0.2
  rules "use vpp tcp_client *:* tls tls-host=server.test"
  [ "$(we 10.10.0.2 connect)" = "connect ENOTSUP" ]
  rules "use vpp tcp_client *:* tls tls-verify"
  [ "$(we 10.10.0.2 connect)" = "connect ENOTSUP" ]
}

@test "VPP, TLS: whom our client believes" {
  since 26.02 VERIFICATION
  their_server tls 10.10.0.2
  # anybody, unless told otherwise: as VCL's
  [ "$(WORD=hello we 10.10.0.2 word)" = "word the word is hello" ]
  tls tls-host=server.test
  rules "use vpp tcp_client *:* tls tls-host=server.test"
  [ "$(WORD=hello we 10.10.0.2 word)" = "word the word is hello" ]
  rules "use vpp tcp_client *:* tls tls-verify"
  [ "$(WORD=hello we 10.10.0.2 word)" = "word the word is hello" ]
  rules "use vpp tcp_client *:* tls tls-host=other.test"
  [ "$(we 10.10.0.2 connect)" = "connect EPROTO" ]
  stop_all
  # the right name, by an authority that VPP does not know
  free_port
  serve bare nsenter "--net=/run/netns/$there" openssl s_server -accept \
    "10.10.0.2:$port" -cert "$TLS_DIR/strange.pem" -key "$TLS_DIR/strange.key" -rev
  within 20 grep -q ACCEPT "$server_log"
  rules "use vpp tcp_client *:* tls tls-host=server.test"
  [ "$(we 10.10.0.2 connect)" = "connect EPROTO" ]
  rules "use vpp tcp_client *:* tls tls-verify"
  [ "$(we 10.10.0.2 connect)" = "connect EPROTO" ]
  rules "use vpp tcp_client *:* tls"
  [ "$(we 10.10.0.2 nonblock)" = "nonblock 0" ]
}

@test "VPP, TLS: a client's certificate, ours and theirs" {
  since 26.02 VERIFICATION
  free_port
  serve bare nsenter "--net=/run/netns/$there" openssl s_server -accept \
    "10.10.0.2:$port" -cert "$TLS_DIR/server.pem" -key "$TLS_DIR/server.key" \
    -Verify 1 -verify_return_error -CAfile "$TLS_DIR/ca.pem" -tls1_2 -rev
  within 20 grep -q ACCEPT "$server_log"
  rules "use vpp tcp_client *:* tls"
  [ "$(we 10.10.0.2 connect)" = "connect EPROTO" ]
  rules "use vpp tcp_client *:* tls tls-cert=$TLS_DIR/client.pem \
    tls-key=$TLS_DIR/client.key"
  [ "$(we 10.10.0.2 nonblock)" = "nonblock 0" ]
  within 10 grep -q client.test "$server_log"
  stop_all
  # our server wants one
  tls
  rules "use vpp tcp_server *:* tls tls-cert=$TLS_DIR/server.pem \
    tls-key=$TLS_DIR/server.key tls-verify"
  free_port
  serve shm "$python" "$tls_ends" serve plain 0.0.0.0 "$port"
  wait_vpp "$port"
  export WORD=hello
  [ "$(TLS_CLIENT=client they tls 10.10.0.1 word)" = "word the word is hello" ]
  run they tls 10.10.0.1 word
  [[ $output != *"the word is"* ]]
  run env TLS_CLIENT=strange "PATH=$PATH" nsenter "--net=/run/netns/$there" \
    timeout 20 "$python" "$tls_ends" ask tls 10.10.0.1 "$port" word
  [[ $output != *"the word is"* ]]
  [ "$(grep -c accepted "$server_log")" = 1 ]
}

# --- the end ---

@test "VPP, TLS: VPP goes, and comes back with the listener, without the files" {
  cp "$TLS_DIR"/server.* "$BATS_TEST_TMPDIR"
  rules "use vpp tcp_server *:* tls tls-cert=server.pem tls-key=server.key"
  our_server 0.0.0.0
  [ "$(they tls 10.10.0.1 echo)" = "echo 200 echoes" ]
  rm "$BATS_TEST_TMPDIR"/server.*
  kill_vpp KILL
  # nobody is served in plain text meanwhile
  run timeout 2 "$python" "$tls_ends" ask plain 127.0.0.1 "$port" connect
  [ "$status" -eq 124 ]
  tls
  [ "$(we 10.10.0.2 connect)" = "connect ENETDOWN" ]
  run_vpp in_here
  plug_in
  wait_tls "$port"
  [ "$(they tls 10.10.0.1 echo)" = "echo 200 echoes" ]
}

@test "VPP, TLS: a vcl.conf as it stands, with LDP_TRANSPARENT_TLS" {
  vcl_conf "$VPP_DIR/app_ns_sockets/default" > "$BATS_TEST_TMPDIR/vcl.conf"
  export SAPI_CONFIG=$BATS_TEST_TMPDIR/vcl.conf LDP_TRANSPARENT_TLS=1 \
    LDP_TLS_CERT_FILE=$TLS_DIR/server.pem LDP_TLS_KEY_FILE=$TLS_DIR/server.key
  our_server 0.0.0.0
  [ "$(they tls 10.10.0.1 echo)" = "echo 200 echoes" ]
  stop_all
  their_server tls 10.10.0.2
  [ "$(we 10.10.0.2 echo)" = "echo 200 echoes" ]
}
