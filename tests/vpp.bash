# vpp.bash - a real VPP for tests and measurements, where SAPI_TEST_VPP has one
# shellcheck shell=bash
# shellcheck disable=SC2034 # the results are the caller's

# find_vpp: sets $vpp, $vpp_ldp (its preload), $vpp_libs, $vpp_plugins and
# $vpp_release (26.06); false: $vpp_why
find_vpp() {
  local root=${SAPI_TEST_VPP:-}
  vpp_why="SAPI_TEST_VPP is not set"
  [ -n "$root" ] || return
  vpp=$(find -L "$root" -type f -name vpp -perm -u+x -print -quit 2> /dev/null)
  vpp_ldp=$(find -L "$root" -name 'libvcl_ldpreload.so*' -print -quit 2> /dev/null)
  vpp_plugins=$(find -L "$root" -type d -name vpp_plugins -print -quit 2> /dev/null)
  vpp_why="no vpp with a libvcl_ldpreload.so below $root"
  [ -n "$vpp" ] && [ -n "$vpp_ldp" ] || return
  vpp_libs=$(dirname "$vpp_ldp")
  vpp_release=$(basename "$(find -L "$vpp_libs" -name 'libvnet.so.*' -print -quit)")
  vpp_release=${vpp_release#libvnet.so.}
}

# vpp_startup DIR [UNIX [MORE]]: its configuration; what it makes is in DIR
vpp_startup() {
  local more='plugins { plugin default { disable } }'
  cat << CONF
unix { nodaemon runtime-dir $1 cli-listen $1/cli.sock ${2:-} }
socksvr { socket-name $1/api.sock }
statseg { socket-name $1/stats.sock }
api-segment { prefix sapi-${1##*/}-$$ }
session { enable use-app-socket-api }
${3:-$more}
CONF
}

# vcl_conf SOCKET [OPTION...]: what libvcl_ldpreload.so reads, and we
vcl_conf() {
  local socket=$1
  shift
  echo "vcl {"
  printf '  %s\n' "app-socket-api $socket" app-scope-local app-scope-global \
    use-mq-eventfd "$@"
  echo "}"
}
