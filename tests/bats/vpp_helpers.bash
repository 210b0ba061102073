# vpp_helpers.bash - a real VPP for a file of tests; they skip without one
# shellcheck shell=bash
# shellcheck disable=SC2154 # automake exports top_srcdir; vpp.bash sets vpp_*
#
#	setup_file() { start_vpp; }
#	teardown_file() { stop_vpp; }
#	setup() { need_vpp; }
# What runs as "shm" goes to VPP, or fails; "stock" is VPP's own preload.

# shellcheck source=tests/vpp.bash disable=SC1091
. "$top_srcdir/tests/vpp.bash"

need_vpp() {
  find_vpp || skip "A REAL VPP IS NOT TESTED: $vpp_why"
  [ -e "${VPP_DIR:-}/pid" ] || { echo "no VPP was started"; return 1; }
}

# start_vpp [UNIX [MORE [COMMAND...]]]: see vpp_startup; by COMMAND (ip netns
# exec ...) somewhere else
start_vpp() {
  if ! find_vpp; then
    # a test that is skipped at once may leave the sleep of its limit behind,
    # which bats then waits for
    unset BATS_TEST_TIMEOUT
    return 0
  fi
  VPP_DIR=$(mktemp -d /tmp/sapi-vpp.XXXXXX)
  export VPP_DIR VCL_CONF=$VPP_DIR/vcl.conf SAPI_CONFIG=$VPP_DIR/ours.conf \
    SAPI_SOCKET=$VPP_DIR/no-sapid
  chmod 755 "$VPP_DIR"
  vpp_startup "$VPP_DIR" "poll-sleep-usec 100 ${1:-}" "${2:-}" \
    > "$VPP_DIR/startup.conf"
  vcl_conf "$VPP_DIR/app_ns_sockets/default" > "$VCL_CONF"
  {
    cat "$VCL_CONF"
    echo 'sapi { use vpp tcp_* *:* require }'
  } > "$SAPI_CONFIG"
  run_vpp "${@:3}"
}

# run_vpp [COMMAND...]: start it (again) in $VPP_DIR and wait till it is up
run_vpp() {
  "$@" env "LD_LIBRARY_PATH=$vpp_libs" "$vpp" -c "$VPP_DIR/startup.conf" \
    >> "$VPP_DIR/log" 2>&1 < /dev/null 3>&- &
  echo "$!" > "$VPP_DIR/pid"
  within 30 vpp_answers || { cat "$VPP_DIR/log"; return 1; }
}

vpp_answers() {
  [ -S "$VPP_DIR/app_ns_sockets/default" ] && vppctl show version > /dev/null
}

vppctl() {
  env "LD_LIBRARY_PATH=$vpp_libs" timeout 10 "$(dirname "$vpp")/vppctl" \
    -s "$VPP_DIR/cli.sock" "$@" < /dev/null
}

# kill_vpp SIGNAL
kill_vpp() {
  local pid
  pid=$(cat "$VPP_DIR/pid")
  kill "-$1" "$pid" 2> /dev/null || true
  within 10 gone "$pid"
}

stop_vpp() {
  [ -n "${VPP_DIR:-}" ] || return 0
  kill_vpp TERM || kill_vpp KILL
  rm -rf "$VPP_DIR"
}

# wait_vpp PORT: somebody listens there through VPP
wait_vpp() {
  within 20 vpp_listens "$1" && return
  echo "nobody listens on $1 in VPP"
  vppctl show session verbose
  cat "$server_log"
  return 1
}

vpp_listens() { vppctl show session verbose | grep -q ":$1->"; }

# --- a cable ---

# Two network namespaces and a cable in between: $here has VPP at it, without an
# address of the kernel's; $there has the kernel.
#	$here: VPP 10.10.0.1, fd10::1 -- $there: 10.10.0.2, fd10::2
# Our programs are where the test is, and reach VPP by its socket alone.
# A file of tests has
#	setup_file() { lay_cable || return 0; ... }
#	teardown_file() { cut_cable; }
#	setup() { need_cable; }

# lay_cable [PLUGIN [MORE [COMMAND...]]]: with VPP at it, and with that plugin,
# configured and started so; false if there can't be one
lay_cable() {
  export here=sapi-$$-here there=sapi-$$-there cable=no
  find_vpp || return 1
  [ -e "$vpp_plugins/af_packet_plugin.so" ] || return 1
  [ -z "${1:-}" ] || [ -e "$vpp_plugins/$1" ] || return 1
  ip netns add "$here" && ip netns add "$there" &&
    ip link add vpp netns "$here" type veth peer name kernel netns "$there" ||
    return 1
  ip -n "$here" link set vpp up
  ip -n "$there" link set lo up
  ip -n "$there" addr add 10.10.0.2/24 dev kernel
  ip -n "$there" addr add fd10::2/64 dev kernel nodad
  ip -n "$there" link set kernel up
  # VPP gets whole segments that nobody has summed, otherwise
  ip netns exec "$there" ethtool -K kernel tx off > /dev/null 2>&1 || true
  start_vpp "" "plugins { path $vpp_plugins plugin default { disable }
    plugin af_packet_plugin.so { enable } ${1:+plugin $1 { enable \}} } ${2:-}" \
    in_here "${@:3}"
  plug_in
  cable=yes
}

# in_here COMMAND...: instead of the shell
in_here() { exec ip netns exec "$here" "$@"; }

# plug_in: VPP's end, of which the other knows nothing yet
plug_in() {
  vppctl create host-interface name vpp
  vppctl set interface state host-vpp up
  vppctl set interface ip address host-vpp 10.10.0.1/24
  vppctl set interface ip address host-vpp fd10::1/64
  # the last one had another MAC address
  ip -n "$there" neigh flush dev kernel
}

cut_cable() {
  stop_vpp
  ip netns del "$here" 2> /dev/null || true
  ip netns del "$there" 2> /dev/null || true
}

need_cable() {
  find_vpp || skip "A REAL VPP IS NOT TESTED: $vpp_why"
  [ "$cable" = yes ] ||
    skip "A CABLE OF VPP IS NOT TESTED: needs root, ip netns, and plugins"
}

# on_cable: what VPP is to send before it knows who is there is lost, and there is
# no TCP to send it again
on_cable() {
  need_cable
  within 20 neighbours
}

# neighbours: by asking for VPP the kernel says who it is itself
neighbours() {
  local known
  over bash -c 'echo > /dev/udp/10.10.0.1/9; echo > /dev/udp/fd10::1/9'
  known=$(vppctl show ip neighbors)
  [[ "$known" = *10.10.0.2* && "$known" = *fd10::2* ]]
}

# over COMMAND...: at the other end of the cable
over() { nsenter "--net=/run/netns/$there" "$@"; }

# is_since RELEASE: as VPP names them, 26.06
is_since() { ((${vpp_release/./} >= ${1/./})); }

# since RELEASE WHAT: earlier ones do not have it (docs/vpp.md)
since() { is_since "$1" || skip "VPP $vpp_release HAS NO $2"; }

python=/usr/bin/python3
ends=$top_srcdir/tests/bats/both_ends.py

# scenes LISTEN CONNECT SCENE...: over the kernel and over VPP both ends see the
# same
scenes() {
  local mode
  need "$python"
  for mode in bare shm; do
    free_port
    serve "$mode" "$python" "$ends" serve "$1" "$port"
    within 20 grep -q ready "$server_log"
    as "$mode" timeout 100 "$python" "$ends" ask "$2" "$port" "${@:3}" > "$BATS_TEST_TMPDIR/$mode"
    cat "$server_log"
    stop_all
  done
  diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/shm"
}

# forking_server: a process for each connection, which its parent closes
forking_server() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'END'
import socketserver, sys

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())

class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 64
    max_children = 100

with Server(("127.0.0.1", int(sys.argv[1])), Echo) as server:
    server.serve_forever()
END
  cat > "$BATS_TEST_TMPDIR/client.py" << 'END'
import socket, sys

for i in range(20):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as s:
        f = s.makefile("rwb", buffering=0)
        for k in range(50):
            f.write(b"line %d of %d\n" % (k, i))
            assert f.readline() == b"LINE %d OF %d\n" % (k, i)
        s.shutdown(socket.SHUT_WR)
        assert f.readline() == b""
print("all right")
END
  free_port
  serve shm "$python" "$BATS_TEST_TMPDIR/server.py" "$port"
  wait_vpp "$port"
  as shm timeout 60 "$python" "$BATS_TEST_TMPDIR/client.py" "$port" \
    > "$BATS_TEST_TMPDIR/out" || { cat "$server_log"; return 1; }
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}
