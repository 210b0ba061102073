bats_require_minimum_version 1.5.0

# No daemon and no configuration of this machine may have a say here.
setup() {
  dir=$BATS_TEST_TMPDIR
  unset SAPI_SOCKET XDG_RUNTIME_DIR SAPI_RULES SAPI_DEFAULT LD_PRELOAD
  export SAPI_CONFIG=$dir/none SAPI_SOCKET=$dir/no-daemon
  export ASAN_OPTIONS=detect_leaks=0
  if [ -n "$SANITIZER_RUNTIME" ]; then
    export SAPI_PRELOAD=$SANITIZER_RUNTIME:$PRELOAD_LIB
  fi
  alone="$SAPI run --no-daemon"
}

# build FLAG...: a program that says so, at $dir/prog
build() {
  printf '#include <stdio.h>\nint main(void) { puts("it runs"); return 5; }\n' \
    > "$dir/prog.c"
  $CC -o "$dir/prog" "$dir/prog.c" "$@" 2> /dev/null
}

# refused WORDS PROGRAM: it is run all the same, unless --require
refused() {
  run -5 --separate-stderr $alone "$2"
  [ "$output" = "it runs" ]
  [[ $stderr == *"can't be accelerated: "*"$1"* ]] || { echo "$stderr"; return 1; }
  run -125 --separate-stderr $alone --require "$2"
  [ -z "$output" ]
  [[ $stderr == *"$1"* ]]
}

@test "help and version" {
  run -0 "$SAPI" --help
  [[ $output == *"sapi run"*"sapi status"*"sapi check"*"sapi explain"* ]]
  for command in run status check explain; do
    run -0 "$SAPI" $command --help
    [[ $output == "usage: sapi $command"* ]]
    run -0 "$SAPI" help $command
    [[ $output == "usage: sapi $command"* ]]
  done
  run -0 "$SAPI" --version
  [[ $output == libsapi* ]]
  run -2 "$SAPI"
  run -2 "$SAPI" dance
  run -2 "$SAPI" check a b
  run -2 "$SAPI" explain nginx
  run -2 "$SAPI" status --what
  run -125 "$SAPI" run
  run -125 "$SAPI" run --what true
}

@test "the manual has every command and option" {
  for word in run status check explain help; do
    grep -qE "^\.It Cm $word|^\.Cm $word" "$top_srcdir/tool/sapi.1"
  done
  sed -n 's/.*{ "\([a-z-]*\)", \(no\|required\)_argument.*/\1/p' \
    "$top_srcdir"/tool/*.c | sort -u | grep -v '^help$' |
    while read -r option; do
      grep -qE "^\.(It )?Fl .*-$option( |$)" "$top_srcdir/tool/sapi.1" ||
        { echo "--$option is not in sapi.1"; exit 1; }
    done
}

@test "the exit code is the program's, or a shell's" {
  run -7 $alone -- sh -c 'exit 7'
  run -0 $alone true
  run -143 sh -c "$alone -- sh -c 'kill \$\$'"
  run -127 $alone no-such-program-here
  run -127 $alone /no/such/file
  run -126 $alone "$dir"
  echo 'exit 3' > "$dir/script"
  run -126 $alone "$dir/script"
  chmod +x "$dir/script"
  # without "#!" it is sh's
  run -3 $alone "$dir/script"
}

@test "the program has the module and keeps what it had" {
  run -0 $alone grep -c libsapi_preload.so /proc/self/maps
  LD_PRELOAD=${SANITIZER_RUNTIME:+$SANITIZER_RUNTIME:}libm.so.6 \
    run -0 $alone printenv LD_PRELOAD
  [[ $output == *libsapi_preload.so:* ]]
  [[ $output == *:libm.so.6 || $output == *:libm.so.6:* ]]
  # once is enough
  run -0 $alone $alone printenv LD_PRELOAD
  [ "$(grep -o libsapi_preload <<< "$output" | wc -l)" -eq 1 ]
}

@test "options are the program's environment" {
  cd "$dir"
  echo 'use os any *:7' > my.conf
  run -0 $alone -c my.conf printenv SAPI_CONFIG
  [ "$output" = "$(realpath my.conf)" ]
  run -125 $alone -c missing.conf true
  SAPI_RULES='use os any *:3' run -0 $alone -r 'use shm any *:1' \
    -r 'use os any *:2' printenv SAPI_RULES
  [ "$output" = 'use shm any *:1;use os any *:2;use os any *:3' ]
  run -125 $alone -r 'use linux any *:1' true
  [[ $output == *linux* ]]
  # words behind the program are the program's
  run -0 $alone echo --require
  [ "$output" = --require ]
  run -0 $alone printenv PATH
  [ "$output" = "$PATH" ]
}

@test "--require wants a daemon" {
  run -125 $alone --require true
  [[ $output == *"no daemon answers at $SAPI_SOCKET"* ]]
  run -0 $alone true
  [ -z "$output" ]
}

@test "a static program is told so" {
  build -static || skip "no static libc"
  refused "statically linked" "$dir/prog"
  build -static-pie || skip "no static-pie"
  refused "statically linked" "$dir/prog"
}

@test "a script is as good as its interpreter" {
  build -static || skip "no static libc"
  printf '#!%s\n' "$dir/prog" > "$dir/script"
  printf '#! %s arg\n' "$dir/script" > "$dir/script2"
  printf '#!/usr/bin/env prog\n' > "$dir/script3"
  chmod +x "$dir"/script*
  refused "interpreter $dir/prog: it is statically linked" "$dir/script"
  refused "statically linked" "$dir/script2"
  PATH=$dir:$PATH refused "statically linked" "$dir/script3"
  PATH=$dir:$PATH refused "statically linked" script3
  # a script of itself has no end: the kernel says so, not we
  printf '#!%s\n' "$dir/loop" > "$dir/loop"
  chmod +x "$dir/loop"
  run -126 $alone "$dir/loop"
}

@test "a program with privileges is told so" {
  [ "$(id -u)" = 0 ] || skip "wants root"
  build
  chmod 755 "$dir/prog"
  chown nobody "$dir/prog"
  chmod u+s "$dir/prog"
  refused set-user-ID "$dir/prog"
  chown 0:nogroup "$dir/prog"
  chmod 2755 "$dir/prog"
  refused set-group-ID "$dir/prog"
  # our own: nothing is raised
  chown 0:0 "$dir/prog"
  chmod 6755 "$dir/prog"
  run -5 --separate-stderr $alone "$dir/prog"
  [ -z "$stderr" ]
}

@test "a program with file capabilities is told so, a user's" {
  [ "$(id -u)" = 0 ] || skip "wants root"
  command -v setcap > /dev/null || skip "no setcap"
  [ -z "$SANITIZER_RUNTIME" ] || skip "instrumented build"
  build
  place=$(mktemp -d /tmp/sapi-tool.XXXXXX)
  chmod 755 "$place"
  cp "$dir/prog" "$place"
  setcap cap_net_raw+ep "$place/prog" || { rm -r "$place"; skip "no file capabilities"; }
  run setpriv --reuid=65534 --clear-groups "$SAPI" explain "$place/prog" tcp_client 127.0.0.1:80
  rm -r "$place"
  [ "$status" -eq 0 ] || skip "the build folder is not the user's to read"
  [[ $output == *"file capabilities"* ]]
}

@test "a program of another kind is told so" {
  build
  printf '\x01' | dd of="$dir/prog" bs=1 seek=4 conv=notrunc status=none
  # Linux believes the machine alone, and runs even this one
  refused "32-bit" "$dir/prog"
  build
  printf '\x08\x00' | dd of="$dir/prog" bs=1 seek=18 conv=notrunc status=none
  run -126 $alone "$dir/prog"
  [[ $output == *"another machine"* ]]
  build -Wl,--dynamic-linker=/no/ld-musl-x86_64.so.1
  run -127 $alone "$dir/prog"
  [[ $output == *"another C library (/no/ld-musl-x86_64.so.1)"* ]]
}

@test "a Go program is told so, static or not" {
  command -v objcopy > /dev/null || skip "no objcopy"
  echo id > "$dir/id"
  for name in .note.go.buildid .go.buildinfo; do
    build
    objcopy --add-section $name="$dir/id" "$dir/prog"
    refused "raw system calls" "$dir/prog"
  done
  build -static || skip "no static libc"
  objcopy --add-section .go.buildinfo="$dir/id" "$dir/prog"
  refused "raw system calls" "$dir/prog"
}

# spoil SEED N FILE: N copies of it, FILE.1 and so on, with a few other bytes,
# mostly in the header, where it hurts, and some cut off
spoil() {
  perl -e '
    my ($seed, $n, $file) = @ARGV;
    srand $seed;
    open my $in, "<:raw", $file or die;
    my $sound = do { local $/; <$in> };
    for my $i (1 .. $n) {
      my $bytes = $sound;
      for (1 .. 12) {
        my $at = int rand(4) ? 4 + int rand 800 : int rand length $bytes;
        substr $bytes, $at, 1, chr int rand 256;
      }
      substr $bytes, int rand(length $bytes), length $bytes, "" if $i % 3 == 0;
      open my $out, ">:raw", "$file.$i" or die;
      print $out $bytes;
    }' "$@"
}

@test "a broken program is no danger" {
  build
  seed=$(date +%s)
  echo "seed $seed"
  spoil "$seed" 60 "$dir/prog"
  for i in {1..60}; do
    run -0 "$SAPI" explain "$dir/prog.$i" tcp_client 127.0.0.1:80
    [[ $output != *Sanitizer* && $output != *"runtime error"* ]]
  done
}

@test "check shows the rules and where they stand" {
  run -0 "$SAPI" check
  [[ $output == *"default"*"os"*"any"*"*:53"* ]]
  run -0 --separate-stderr "$SAPI" check "$top_srcdir/tests/data/conf/both.conf"
  [ -z "$stderr" ]
  [[ $output == *"both.conf:26"*"shm"*"tcp_client"*"127.0.0.0/8:6379"*"require"* ]]
  [[ $output == *"libvma.conf:5"* ]]
  # in the order in which they are tried
  SAPI_RULES='use os any *:9999' run -0 "$SAPI" check "$top_srcdir/tests/data/conf/both.conf"
  [[ $output == *"SAPI_RULES:1"*"*:9999"*"both.conf:20"*"libvma.conf:3"* ]]
  run -1 --separate-stderr "$SAPI" check "$top_srcdir/tests/data/conf/wrong.conf"
  [[ $stderr == *"wrong.conf:2: rx-fifo-size"* ]]
  [ "${#stderr_lines[@]}" -eq 19 ]
  run -1 "$SAPI" check /no/such/file
}

@test "sapi.conf is right as it is, and with every comment removed" {
  run -0 --separate-stderr "$SAPI" check "$top_srcdir/conf/sapi.conf"
  [ -z "$stderr" ]
  sed 's/^\( *\)#\([a-z]\)/\1\2/; /^ *include/d' "$top_srcdir/conf/sapi.conf" > "$dir/all.conf"
  run -0 --separate-stderr "$SAPI" check "$dir/all.conf"
  [ -z "$stderr" ] || { echo "$stderr"; return 1; }
  [[ $output == *"all.conf:"*"udp_*"* ]]
}

@test "explain names the rule" {
  export SAPI_CONFIG=$top_srcdir/tests/data/conf/both.conf SAPI_APPLICATION_ID=front
  unset SAPI_SOCKET
  run -0 "$SAPI" explain /usr/sbin/nginx tcp_client 127.0.0.1:6379
  [[ $output == *"use       shm, required"*"both.conf:26: use shm tcp_client"* ]]
  [[ $output == *"daemon    /run/sapi/test.sock (does not answer)"* ]]
  run -0 "$SAPI" explain redis-server tcp_server '[::]:6379'
  [[ $output == *"both.conf:29"* ]]
  run -0 "$SAPI" explain redis-server tcp_server '*:53'
  [[ $output == *"use       os"*"built in"* ]]
  run -0 "$SAPI" explain redis-server tcp_client 127.0.0.1:99 127.0.0.1:1
  [[ $output == *"use       auto"*"no rule matches"* ]]
  run -2 "$SAPI" explain redis-server tcp_client localhost:99
  run -2 "$SAPI" explain redis-server sctp_client 127.0.0.1:99
}

@test "status without a daemon" {
  run -1 "$SAPI" status --run-dir "$dir"
  [[ $output == *"no daemon answers at $dir/status"* ]]
  SAPI_SOCKET=$dir/app_ns_sockets/default run -1 "$SAPI" status
  [[ $output == *"no daemon answers at $dir/status"* ]]
  run -1 "$SAPI" status
}

# says TEXT: once, to whom asks at $place/status
says() {
  command -v /usr/bin/python3 > /dev/null || skip "no python3"
  place=$(mktemp -d /tmp/sapi-tool.XXXXXX)
  /usr/bin/python3 - "$place/status" "$1" 3>&- << 'EOF' &
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(1)
c = s.accept()[0]
c.sendall(sys.argv[2].encode())
c.close()
EOF
  for _ in {1..200}; do
    [ ! -S "$place/status" ] || return 0
    sleep 0.05
  done
  return 1
}

@test "status shows whatever the daemon tells" {
  says '{"version": 1, "totals": {"apps": 2, "segment_bytes": 3145728, "x": 0},
    "apps": [{"name": "redis", "pid": 12, "namespace": "blue", "bytes": 1536,
        "n_sessions": 7, "kernel": {"rule": 0, "remote": 3},
        "stats": {"tx_calls": 9}, "sessions": [{"peer": "127.0.0.1:1"}]},
      {"name": "nginx", "pid": 13, "namespace": "red", "ext": true},
      {"name": "cli\u001b[31m", "pid": 14, "namespace": "blue", "sessions": []}]}'
  run -0 "$SAPI" status --run-dir "$place" -n blue
  rm -r "$place"
  [[ $output == *"apps=2 segment_bytes=3M x=0"* ]]
  [[ $output == *"NAME"*"PID"*"NAMESPACE"*"BYTES"*"SESSIONS"*"KERNEL"* ]]
  [[ $output == *"redis"*"12"*"blue"*"1.5K"*" 7 remote=3"* ]]
  [[ $output == *"stats"*"TX-CALLS"*"redis[12]"*"9"* ]]
  [[ $output == *"sessions"*"redis[12]"*"127.0.0.1:1"* ]]
  [[ $output != *nginx* ]]
  # a client's name does nothing to the terminal
  [[ $output == *cli* && $output != *$'\e'* ]]
}

@test "status does not fall for nonsense" {
  for text in '' '[' '[1]' '{"apps": [1, {}], "x": [[{}]], "y": {"z": [{"a": null}]}}' \
    '{"apps": [{"a": {"b": {"c": "d"}}, "e": [1, "f"]}]}'; do
    says "$text"
    run "$SAPI" status --run-dir "$place"
    rm -r "$place"
    [ "$status" -le 1 ]
    [[ $output != *Sanitizer* && $output != *"runtime error"* ]]
  done
}

@test "--json is what the daemon says" {
  says '{"apps": []}'
  run -0 "$SAPI" status --json --run-dir "$place"
  rm -r "$place"
  [ "$output" = '{"apps": []}' ]
}

# daemons DIR: the process ids of those that serve there
daemons() { pgrep -f -- "sapid --run-dir $1 " || true; }

# daemon_place: where `sapi run` is to start one
daemon_place() {
  [ -x "$SAPID" ] || skip "no sapid"
  place=$(mktemp -d /tmp/sapi-tool.XXXXXX)
  export SAPI_SOCKET=$place/run/app_ns_sockets/default
}

teardown() {
  local pid
  [ -n "$place" ] || return 0
  for pid in $(daemons "$place/run") $(daemons "$place/sapi"); do
    kill "$pid"
    for _ in {1..200}; do
      [ -d "/proc/$pid" ] || break
      sleep 0.05
    done
    [ ! -d "/proc/$pid" ]
  done
  rm -rf "$place"
}

@test "run starts a daemon, one for all" {
  daemon_place
  # a daemon that held our pipe open would hold up this test
  local pids=()
  for i in {1..8}; do
    "$SAPI" run -- sh -c "[ -S '$SAPI_SOCKET' ] && echo yes" > "$place/$i" 2>&1 3>&- &
    pids+=("$!")
  done
  # not for everything: BATS_TEST_TIMEOUT is a sleep in the background
  wait "${pids[@]}"
  [ "$(cat "$place"/[1-8] | sort | uniq -c | tr -s ' ')" = " 8 yes" ]
  [ "$(daemons "$place/run" | wc -l)" -eq 1 ]
  # nothing of ours lives on in it: terminal, pipes, directory
  pid=$(daemons "$place/run")
  [ "$(readlink "/proc/$pid/cwd")" = / ]
  [ "$(readlink "/proc/$pid/fd/0")" = /dev/null ]
  [ "$(readlink "/proc/$pid/fd/1")" = "$place/run/sapid.log" ]
  run -1 grep -E 'pipe:|start.lock' <(readlink "/proc/$pid"/fd/*)
  [ "$(cut -d' ' -f6 "/proc/$pid/stat")" != "$(cut -d' ' -f6 /proc/$$/stat)" ]
  # and the next one finds it
  run -0 "$SAPI" run --require printenv SAPI_SOCKET
  [ "$output" = "$SAPI_SOCKET" ]
  [ "$(daemons "$place/run")" = "$pid" ]
}

@test "a user's daemon is in his runtime directory" {
  daemon_place
  unset SAPI_SOCKET
  export XDG_RUNTIME_DIR=$place
  # root's is in /run/sapi, where one may be in earnest
  user=()
  if [ "$(id -u)" = 0 ]; then
    chown 65534 "$place"
    user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${user[@]}" test -x "$SAPID" || skip "the build folder is not a user's to read"
  fi
  run -0 "${user[@]}" "$SAPI" run printenv SAPI_SOCKET
  [ "$output" = "$place/sapi/app_ns_sockets/default" ]
  [ "$(stat -c %a "$place/sapi")" = 700 ]
  run -0 "${user[@]}" "$SAPI" status
  [[ $output == *"$place/sapi"* ]]
}

@test "a daemon that can't be started is no reason not to run" {
  daemon_place
  export SAPI_SOCKET=/proc/no/such/app_ns_sockets/default
  run -0 --separate-stderr "$SAPI" run echo yes
  [ "$output" = yes ]
  [[ $stderr == *"/proc/no/such: "* ]]
  run -125 "$SAPI" run --require echo yes
  # where sapid makes no sockets
  export SAPI_SOCKET=$place/sock
  run -0 --separate-stderr "$SAPI" run echo yes
  [[ $stderr == *"nobody answers at $place/sock"* ]]
  # one that ends at once
  mkdir -p "$place/run/app_ns_sockets/default/x"
  export SAPI_SOCKET=$place/run/app_ns_sockets/default
  run -125 --separate-stderr "$SAPI" run --require echo yes
  [[ $stderr == *"does not start"*"$place/run/sapid.log"* ]]
  SAPI_DISABLE=1 run -0 --separate-stderr "$SAPI" run echo yes
  [ -z "$stderr" ]
}

@test "status of a daemon" {
  daemon_place
  "$SAPI" run true
  run -0 "$SAPI" status
  run -0 "$SAPI" status --json
  jq . <<< "$output" > /dev/null
}

@test "two programs that sapi runs meet in shared memory" {
  daemon_place
  command -v /usr/bin/python3 > /dev/null || skip "no python3"
  cat > "$place/server.py" << 'EOF'
import os, socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(1)
open(sys.argv[1] + ".part", "w").write(str(s.getsockname()[1]))
os.rename(sys.argv[1] + ".part", sys.argv[1])
c = s.accept()[0]
while data := c.recv(4096):
    c.sendall(data)
EOF
  cat > "$place/client.py" << 'EOF'
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(300):
    c.sendall(b"x" * 1000)
    got = 0
    while got < 1000:
        got += len(c.recv(4096))
EOF
  timeout 60 "$SAPI" run /usr/bin/python3 "$place/server.py" "$place/port" 3>&- &
  server=$!
  for _ in {1..400}; do
    [ ! -e "$place/port" ] || break
    sleep 0.05
  done
  before=$("$SAPI" status --json | jq .totals.links_total)
  run -0 timeout 60 "$SAPI" run --require /usr/bin/python3 "$place/client.py" "$(cat "$place/port")"
  wait "$server"
  [ "$("$SAPI" status --json | jq .totals.links_total)" -gt "$before" ]
}
