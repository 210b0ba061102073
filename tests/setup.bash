# setup.bash - what tests/run, .ci/run and the scripts in examples share
# shellcheck shell=bash
# shellcheck disable=SC2154 # $top is the caller's
#
# To be sourced with $top set to the source tree. Everything here says what
# it does when it does something, and nothing when there is nothing to do.

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# cleanup COMMAND...: run it when the script ends; the last one first
cleanups=()
cleanup() { cleanups+=("$(printf '%q ' "$@")"); }
run_cleanups() {
  local i
  for ((i = ${#cleanups[@]} - 1; i >= 0; i--)); do
    eval "${cleanups[i]}" || true
  done
  cleanups=()
}
trap run_cleanups EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# quietly COMMAND...: what it says is shown only if it fails
quietly() {
  local log rc=0
  log=$(mktemp)
  "$@" < /dev/null > "$log" 2>&1 || rc=$?
  [ "$rc" = 0 ] || tail -n 30 "$log" | sed 's/^/    /'
  rm -f "$log"
  return "$rc"
}

# packages GROUP...: the names of tests/packages in these groups
packages() {
  local group
  for group; do
    sed -n "s/^$group: *//p" "$top/tests/packages"
  done | tr ' ' '\n' | sort -u
}

# missing_packages GROUP...: those that dpkg does not know as installed
missing_packages() {
  local package
  for package in $(packages "$@"); do
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
      ?i*) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

# Installing a server on Debian starts it; nobody asked for a redis on 6379.
no_services() {
  local policy=/usr/sbin/policy-rc.d
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' | "$@" tee "$policy" > /dev/null
  "$@" chmod 755 "$policy"
  cleanup "$@" rm -f "$policy"
}

# install_packages GROUP...: false if something is missing and stays so
install_packages() {
  local missing root=()
  if ! command -v dpkg-query > /dev/null; then
    say "No Debian here; needed under the names of this system:"
    packages "$@" | sed 's/^/  /'
    return 0
  fi
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    root=(sudo -n)
    if ! sudo -n true 2> /dev/null; then
      say "Not installed; as root: apt-get install $missing"
      return 1
    fi
  fi
  say "Installing $missing"
  no_services "${root[@]}"
  quietly "${root[@]}" apt-get -q update || return 1
  # shellcheck disable=SC2086 # a list of words
  quietly "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends $missing
}

# usable_tree: set $tree to where we can build
#
# automake refuses a source path with spaces, and LD_PRELOAD takes spaces and
# colons for separators: then, and if the tree is not ours to write, work in
# a copy below a private temporary directory, which goes when the script does.
usable_tree() {
  local tmp
  tree=$top
  if [[ $top =~ ^[A-Za-z0-9_./+,@%-]+$ && -w $top ]]; then
    return 0
  fi
  tmp=$(TMPDIR=/tmp mktemp -d -t libsapi.XXXXXX)
  cleanup rm -rf "$tmp"
  tree=$tmp/src
  say "Building in a copy, $tree: no build is possible in $top"
  mkdir "$tree"
  # no .git: in a worktree it is a file that leads elsewhere; and nothing
  # that bootstrap makes
  tar -C "$top" --exclude=./.git --exclude='./build*' --exclude=./configure \
    --exclude=./autom4te.cache -cf - . | tar -C "$tree" -xf -
}

# configured DIR ARG...: DIR (below $tree) is configured with these arguments
configured() {
  local dir=$tree/$1
  shift
  if [ ! -x "$tree/configure" ] || [ ! -e "$tree/build-aux/tap-driver.sh" ]; then
    say "Bootstrapping"
    quietly "$tree/bootstrap" || return 1
  fi
  if [ -e "$dir/Makefile" ] && [ "$*" = "$(cat "$dir/.configured" 2> /dev/null)" ]; then
    return 0
  fi
  say "Configuring ${dir##*/}: ${*:-no options}"
  rm -rf "$dir"
  mkdir "$dir"
  (cd "$dir" && quietly ../configure -q "$@") || return 1
  printf '%s\n' "$*" > "$dir/.configured"
}

# What follows needs $work, a temporary directory with a short path.

# beside COMMAND...: run it in the background, in $pid, until the script ends
beside() {
  "$@" < /dev/null > "$work/log.${1##*/}" 2>&1 3>&- &
  pid=$!
  cleanup ended "$pid"
}

# ended PID: stop it; by force after five seconds
ended() {
  local i
  kill "$1" 2> /dev/null || return 0
  for ((i = 0; i < 100; i++)); do
    kill -0 "$1" 2> /dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$1"
}

# a port that nobody uses, and that no client gets by chance
free_port() {
  local hex
  while :; do
    port=$((15000 + RANDOM % 15000))
    printf -v hex ':%04X ' "$port"
    grep -qs "$hex" /proc/net/tcp /proc/net/tcp6 || return 0
  done
}

listening() {
  grep -qs "^ *[0-9]*: [0-9A-F]*:$(printf %04X "$1") [0-9A-F]*:0000 0A" \
    /proc/net/tcp /proc/net/tcp6
}

# wait_port PORT: until somebody listens there, ten seconds
wait_port() {
  local i
  for ((i = 0; i < 200; i++)); do
    listening "$1" && return
    sleep 0.05
  done
  return 1
}

# start_daemon BUILD [COMMAND...]: a sapid of ours, or run by COMMAND (setpriv
# ...) as somebody else; $under runs a command through it
start_daemon() {
  mkfifo "$work/ready"
  "${@:2}" "$1/daemon/sapid" --run-dir "$work/run" --ready-fd 4 4> "$work/ready" \
    > "$work/log.sapid" 2>&1 < /dev/null 3>&- &
  cleanup ended "$!"
  # it writes a line; end of file, if it died instead
  if ! read -r -t 30 < "$work/ready"; then
    cat "$work/log.sapid"
    die "sapid does not start"
  fi
  # shellcheck disable=SC2034 # for the caller
  under=(env "LD_PRELOAD=$1/preload/.libs/libsapi_preload.so"
    "SAPI_SOCKET=$work/run/app_ns_sockets/default")
}
