# link_netns.bats - links in other networks than the daemon's, and between two
# shellcheck disable=SC2154 # automake exports top_srcdir
bats_require_minimum_version 1.5.0
load helpers

# Two pairs of network namespaces with the same addresses; each pair is joined:
#	$a 10.0.0.1, fd00::1 -- $b 10.0.0.2, fd00::2
#	$c 10.0.0.1, fd00::1 -- $d 10.0.0.2, fd00::2
# The daemon is where the test is.

setup_file() {
  export a=sapi-$$-a b=sapi-$$-b c=sapi-$$-c d=sapi-$$-d networks=yes
  join "$a" "$b" "v$$" && join "$c" "$d" "w$$" || networks=no
}

teardown_file() {
  local net
  for net in "$a" "$b" "$c" "$d"; do
    ip netns del "$net" 2> /dev/null || true
  done
}

setup() {
  need ip nsenter /usr/bin/python3 jq
  [ "$networks" = yes ] ||
    skip "LINKS IN NETWORK NAMESPACES ARE NOT TESTED: needs root and ip netns"
  start_sapid
}

teardown() {
  [ "$networks" = yes ] || return 0
  stop_all
  stop_sapid
}

# join NETWORK NETWORK DEVICE: make both, with a cable in between
join() {
  local net n=1
  ip netns add "$1" && ip netns add "$2" || return
  ip link add "${3}a" netns "$1" type veth peer name "${3}b" netns "$2" || return
  for net in "$1 ${3}a" "$2 ${3}b"; do
    # shellcheck disable=SC2086 # split
    set -- $net
    ip -n "$1" link set lo up
    ip -n "$1" addr add 10.0.0.$n/24 dev "$2"
    ip -n "$1" addr add fd00::$n/64 dev "$2" nodad
    ip -n "$1" link set "$2" up || return
    n=2
  done
}

# run_in NETWORK serve|talk ADDRESS PORT NAME: in the background, preloaded; "-"
# is the daemon's network. Returns when it is ready.
run_in() {
  local net=$1 enter=()
  shift
  [ "$net" = - ] || enter=(nsenter "--net=/run/netns/$net")
  serve shm "${enter[@]}" /usr/bin/python3 "$top_srcdir/tests/bats/talk.py" "$@"
  within 60 grep -q ready "$server_log" || { cat "$server_log"; return 1; }
}

# ends: of links that both ends use, "local remote bytes" a line
ends() {
  "$SAPI" status --json --run-dir "$SAPI_DIR/run" |
    jq -r '.apps[].links[] | select(.state == "link") |
      "\(.local) \(.remote) \(.tx_bytes)"'
}

# both_link NETWORK NETWORK LISTEN CONNECT: a server there, a client there; all
# that is said must be true, and much of it by a link
both_link() {
  local moved n
  free_port
  run_in "$1" serve "$3" "$port" name
  run_in "$2" talk "$4" "$port" name
  ends > "$BATS_TEST_TMPDIR/ends"
  echo "$*:" && cat "$BATS_TEST_TMPDIR/ends"
  n=$(wc -l < "$BATS_TEST_TMPDIR/ends")
  moved=$(awk '{ print ($3 > 1000000) }' "$BATS_TEST_TMPDIR/ends" | grep -c 1)
  stop_all
  [ "$n" -eq 2 ]
  [ "$moved" -eq 2 ]
}

# one_network NETWORK ADDRESS...: in one, by all kinds of addresses
one_network() {
  local net=$1 own
  shift
  both_link "$net" "$net" 127.0.0.1 127.0.0.1
  both_link "$net" "$net" 127.0.0.2 127.0.0.2
  both_link "$net" "$net" 0.0.0.0 127.0.0.3
  both_link "$net" "$net" ::1 ::1
  both_link "$net" "$net" :: 127.0.0.1
  both_link "$net" "$net" :: ::ffff:127.0.0.1
  both_link "$net" "$net" 127.0.0.1 ::ffff:127.0.0.1
  for own; do
    both_link "$net" "$net" "$own" "$own"
  done
}

@test "links in the daemon's network: IPv4, IPv6, both, 127/8, the host's own" {
  # shellcheck disable=SC2046 # one or none
  one_network - $(ip -4 -o addr show scope global |
    awk '{ sub("/.*", "", $4); print $4; exit }')
}

@test "links in another network: IPv4, IPv6, both, 127/8, its own addresses" {
  one_network "$a" 10.0.0.1 fd00::1
  both_link "$a" "$a" :: 10.0.0.1
}

# all_kernel: no link, though all that is here has talked enough
all_kernel() { [ -z "$(ends)" ]; }

@test "between two networks a connection stays in the kernel, and works" {
  for address in 10.0.0.2 fd00::2; do
    free_port
    run_in "$b" serve "$address" "$port" name
    run_in "$a" talk "$address" "$port" name
    all_kernel
    "$SAPI" status --json --run-dir "$SAPI_DIR/run" > "$BATS_TEST_TMPDIR/status"
    jq .kernel "$BATS_TEST_TMPDIR/status"
    # both ends; both lend the daemon a socket to ask by
    jq -e --arg at ":$port" '(.kernel | map(.reason)) == ["remote", "remote"] and
      any(.kernel[]; .remote | endswith($at)) and any(.kernel[]; .local | endswith($at))' "$BATS_TEST_TMPDIR/status"
    stop_all
  done
}

# with_conf TEXT: the daemon anew, with that in its configuration
with_conf() {
  kill "$SAPID_PID"
  within 10 gone "$SAPID_PID"
  printf '%b\n' "$1" > "$SAPI_DIR/sapid.conf"
  export SAPID_CONF=$SAPI_DIR/sapid.conf
  run_sapid
}

# talk_at_once NETWORK NETWORK ADDRESS: a client in each, to $port there
talk_at_once() {
  serve shm nsenter "--net=/run/netns/$1" /usr/bin/python3 \
    "$top_srcdir/tests/bats/talk.py" talk "$3" "$port" first
  first_log=$server_log
  run_in "$2" talk "$3" "$port" second
  within 60 grep -q ready "$first_log" || { cat "$first_log"; return 1; }
}

# pairs_of_127 NETWORK NETWORK: both have a server at one address and a client
pairs_of_127() {
  free_port
  run_in "$1" serve 127.0.0.1 "$port" first
  run_in "$2" serve 127.0.0.1 "$port" second
  talk_at_once "$1" "$2" 127.0.0.1
  ends
  [ "$(ends | wc -l)" -eq 4 ]
  stop_all
}

@test "one address in two networks: nobody gets the other's peer" {
  pairs_of_127 "$a" "$b"
  pairs_of_127 "$a" "$c"
}

@test "two pairs of networks with the same addresses: nobody gets the other's" {
  free_port
  run_in "$b" serve 10.0.0.2 "$port" first
  run_in "$d" serve 10.0.0.2 "$port" second
  talk_at_once "$a" "$c" 10.0.0.2
  all_kernel
}

@test "any-netns: between two networks there are links, not over the loopback" {
  with_conf '[namespace default]\nany-netns = yes'
  both_link "$b" "$a" 10.0.0.2 10.0.0.2
  both_link "$b" "$a" fd00::2 fd00::2
  both_link "$b" "$a" :: 10.0.0.2
  both_link "$a" "$b" 0.0.0.0 ::ffff:10.0.0.1
  both_link "$a" "$a" 127.0.0.1 127.0.0.1
  pairs_of_127 "$a" "$b"
}
