# sapid.bats - the daemon as a program: options, files, signals
# shellcheck disable=SC2154 # automake exports top_srcdir
bats_require_minimum_version 1.5.0
load helpers

setup() {
  start_sapid
}

teardown() {
  stop_sapid
}

# status KEY: of the status document
status() {
  /usr/bin/python3 -c '
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
print(json.loads(s.makefile().read())["'"$1"'"])' "$SAPI_DIR/run/status"
}

has_socket() {
  [ -S "$SAPI_DIR/run/app_ns_sockets/$1" ]
}

has_no_socket() {
  ! has_socket "$1"
}

# restart ARG...: with these options
restart() {
  kill "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  "$SAPID" --run-dir "$SAPI_DIR/run" --ready-fd 7 "$@" 7> "$SAPI_DIR/ready" \
    >> "$SAPI_DIR/log" 2>&1 < /dev/null 3>&- &
  export SAPID_PID=$!
  read -r -t 30 _ < "$SAPI_DIR/ready"
}

ticks() {
  awk '{ print $14 + $15 }' "/proc/$SAPID_PID/stat"
}

@test "--help names every option, and so does the manual" {
  run -0 "$SAPID" --help
  for option in config run-dir namespace log vpp-release ready-fd foreground \
    help version; do
    [[ $output == *--$option* ]]
    grep -q "Fl -$option" "$top_srcdir/daemon/sapid.8"
  done
  run -0 "$SAPID" --version
  [[ $output == "sapid "* ]]
}

@test "every limit stands in the manual and in sapid.conf, at its default" {
  sed -n 's/.*LIMIT("\([a-z-]*\)", [a-z_]*, .*/\1/p' \
    "$top_srcdir/daemon/conf.c" > "$BATS_TEST_TMPDIR/keys"
  [ "$(wc -l < "$BATS_TEST_TMPDIR/keys")" -ge 11 ]
  while read -r key; do
    value=$(sed -n "s/^.It Cm $key No //p" "$top_srcdir/daemon/sapid.8")
    [ -n "$value" ]
    grep -q "^#$key = $value\$" "$top_srcdir/conf/sapid.conf"
  done < "$BATS_TEST_TMPDIR/keys"
}

@test "wrong options are refused" {
  run -2 "$SAPID" --nonsense
  run -2 "$SAPID" stray
  run -2 "$SAPID" --log loud
  run -2 "$SAPID" --ready-fd x
  run -1 "$SAPID" --run-dir "$SAPI_DIR/other" --vpp-release 1
  run -1 "$SAPID" --run-dir "$SAPI_DIR/other" -c "$SAPI_DIR/none"
  run -1 "$SAPID" --run-dir "$SAPI_DIR/other" --namespace ../x
  run -1 "$SAPID" --run-dir "$SAPI_DIR/$(printf 'x%.0s' {1..200})"
}

@test "a second daemon in the same folder is refused" {
  run -1 timeout 10 "$SAPID" --run-dir "$SAPI_DIR/run"
  [[ $output == *"another sapid"* ]]
  has_socket default
  [ "$(status version)" ]
}

@test "the sockets are its user's alone" {
  [ "$(stat -c %a "$SAPI_SOCKET")" = 600 ]
  [ "$(stat -c %a "$SAPI_DIR/run/status")" = 600 ]
}

@test "SIGTERM removes the sockets" {
  kill "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  has_no_socket default
  [ ! -e "$SAPI_DIR/run/status" ]
  run_sapid
}

@test "sockets that a killed daemon left are replaced" {
  kill -KILL "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  has_socket default
  run_sapid
  [ "$(status pid)" = "$SAPID_PID" ]
}

@test "a socket of somebody who lives is not" {
  kill "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  /usr/bin/python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1])
s.listen()
time.sleep(60)' "$SAPI_SOCKET" 3>&- &
  holder=$!
  within 10 has_socket default
  run -1 timeout 10 "$SAPID" --run-dir "$SAPI_DIR/run"
  has_socket default
  kill "$holder"
  rm -f "$SAPI_SOCKET"
  run_sapid
}

@test "SIGHUP opens and closes namespaces" {
  printf '[namespace one]\nmode = 0666\n[namespace two]\nmode = 0600\n' \
    > "$SAPI_DIR/conf"
  restart -c "$SAPI_DIR/conf" --namespace extra
  has_socket one && has_socket two && has_socket extra
  has_no_socket default
  [ "$(stat -c %a "$SAPI_DIR/run/app_ns_sockets/one")" = 666 ]
  printf '[namespace one]\nmode = 0600\n[namespace three]\nusers = any\n' \
    > "$SAPI_DIR/conf"
  kill -HUP "$SAPID_PID"
  within 10 has_socket three
  within 10 has_no_socket two
  has_socket one && has_socket extra
  [ "$(stat -c %a "$SAPI_DIR/run/app_ns_sockets/one")" = 600 ]
}

@test "SIGHUP detaches the clients of a namespace that is gone" {
  printf '[namespace one]\nmode = 0600\n[namespace two]\nmode = 0600\n' \
    > "$SAPI_DIR/conf"
  restart -c "$SAPI_DIR/conf"
  /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
print("connected", flush=True)
s.settimeout(20)
assert s.recv(300) == b""' "$SAPI_DIR/run/app_ns_sockets/two" \
    > "$SAPI_DIR/out" 3>&- &
  client=$!
  within 10 grep -q connected "$SAPI_DIR/out"
  printf '[namespace one]\nmode = 0600\n' > "$SAPI_DIR/conf"
  kill -HUP "$SAPID_PID"
  wait "$client"
  status namespaces | grep -v two
}

@test "a namespace of an old release serves libsapi, too" {
  printf '[namespace default]\nvpp-release = 25.10\n' > "$SAPI_DIR/conf"
  restart -c "$SAPI_DIR/conf"
  way session
  free_port
  serve shm /usr/bin/python3 "$top_srcdir/tests/bats/both_ends.py" serve 127.0.0.1 "$port"
  wait_announced "$port"
  run -0 as shm timeout 60 /usr/bin/python3 "$top_srcdir/tests/bats/both_ends.py" \
    ask 127.0.0.1 "$port" echo many digest large
  [[ $output == *"echo 200 echoes"* ]]
  [[ $output == *"digest True"* ]]
  [ "$(sessions)" -gt 100 ]
  stop_all
}

@test "a wrong configuration is refused with its line, and no reload" {
  printf '[sapid]\nmax-apps = 4\nmax-nonsense = 1\n' > "$SAPI_DIR/bad"
  run -1 "$SAPID" --run-dir "$SAPI_DIR/other" -c "$SAPI_DIR/bad"
  [[ $output == *"line=3"* ]]
  for line in 'max-apps = 0' 'max-apps = 1x' 'mode = 9' 'mode = 1000' \
    'group = nosuchgroup' 'users = nosuchuser' 'users =' 'any-netns = maybe' \
    'vpp-release = 22.01' 'vpp-release = 26.10'; do
    printf '[namespace x]\n%s\n' "$line" > "$SAPI_DIR/bad"
    run -1 "$SAPID" --run-dir "$SAPI_DIR/other" -c "$SAPI_DIR/bad"
    [[ $output == *"line=2"* ]]
  done
  printf '[namespace one]\nmode = 0600\n' > "$SAPI_DIR/conf"
  restart -c "$SAPI_DIR/conf"
  printf '[namespace two]\nmode = x\n' > "$SAPI_DIR/conf"
  kill -HUP "$SAPID_PID"
  within 10 grep -q reload-failed "$SAPI_DIR/log"
  has_socket one
  : > "$SAPI_DIR/log" # it complained, as it should
}

@test "the example configuration is good" {
  restart -c "$top_srcdir/conf/sapid.conf"
  has_socket default
  [ "$(stat -c %a "$SAPI_SOCKET")" = 600 ]
}

@test "an idle daemon uses no processor time" {
  status version
  before=$(ticks)
  sleep 10
  [ "$(ticks)" -eq "$before" ]
}
