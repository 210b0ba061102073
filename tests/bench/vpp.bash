# vpp.bash - VPP and its preload beside, for examples/bench
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # $work is the caller's, who uses the results

vpp_under=() vpp_pid='' vpp_why="SAPI_TEST_VPP is not set"

# vpp_gets SIGNAL: VPP polls, so that in the others' turns it would have one of
# their CPUs; it is stopped then
vpp_gets() { [ -z "$vpp_pid" ] || kill "-$1" "$vpp_pid"; }

# start_vpp: $vpp_under runs a command under VPP's preload; false: $vpp_why
start_vpp() {
  local root=${SAPI_TEST_VPP:-} dir=$work/vpp vpp ldp plugins libs
  [ -n "$root" ] || return
  vpp=$(find -L "$root" -type f -name vpp -perm -u+x -print -quit 2> /dev/null)
  ldp=$(find -L "$root" -name 'libvcl_ldpreload.so*' -print -quit 2> /dev/null)
  plugins=$(find -L "$root" -type d -name vpp_plugins -print -quit 2> /dev/null)
  vpp_why="no vpp with a libvcl_ldpreload.so below $root"
  [ -n "$vpp" ] && [ -n "$ldp" ] || return
  libs=$(dirname "$ldp")
  mkdir "$dir"
  cat > "$dir/startup.conf" << CONF
unix { nodaemon runtime-dir $dir cli-listen $dir/cli.sock }
socksvr { socket-name $dir/api.sock }
statseg { socket-name $dir/stats.sock }
api-segment { prefix sapi-bench-$$ }
session { enable use-app-socket-api }
plugins { ${plugins:+path $plugins} plugin default { disable } }
CONF
  cat > "$dir/vcl.conf" << CONF
vcl {
  app-socket-api $dir/app_ns_sockets/default
  rx-fifo-size 4000000
  tx-fifo-size 4000000
  app-scope-local
  app-scope-global
  use-mq-eventfd
}
CONF
  beside env "LD_LIBRARY_PATH=$libs" "$vpp" -c "$dir/startup.conf"
  if ! within "$pid" test -S "$dir/app_ns_sockets/default"; then
    vpp_why="it does not start: $(tail -n 1 "$work/log.env")"
    return 1
  fi
  vpp_pid=$pid
  vpp_gets STOP
  cleanup vpp_gets CONT # or SIGTERM would wait
  # postgres is another user
  chmod 755 "$dir" "$dir/app_ns_sockets"
  chmod 666 "$dir/app_ns_sockets/default"
  vpp_under=(env "LD_LIBRARY_PATH=$libs" "LD_PRELOAD=$ldp"
    "VCL_CONFIG=$dir/vcl.conf")
}
