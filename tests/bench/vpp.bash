# vpp.bash - VPP and its preload beside, for examples/bench
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # $work and $top are the caller's, who uses the results

vpp_under=() onvpp_under=() vpp_pid='' vpp_why=""

# shellcheck source=tests/vpp.bash disable=SC1091
. "$top/tests/vpp.bash"

# vpp_gets SIGNAL: VPP polls, so that in the others' turns it would have one of
# their CPUs; it is stopped then
vpp_gets() { [ -z "$vpp_pid" ] || kill "-$1" "$vpp_pid"; }

# start_vpp: $vpp_under runs a command under VPP's preload, $onvpp_under under
# ours, on VPP or not at all; false: $vpp_why
start_vpp() {
  local dir=$work/vpp
  find_vpp || return
  mkdir "$dir"
  vpp_startup "$dir" "" \
    "plugins { ${vpp_plugins:+path $vpp_plugins} plugin default { disable } }" \
    > "$dir/startup.conf"
  vcl_conf "$dir/app_ns_sockets/default" "rx-fifo-size 4000000" \
    "tx-fifo-size 4000000" > "$dir/vcl.conf"
  beside env "LD_LIBRARY_PATH=$vpp_libs" "$vpp" -c "$dir/startup.conf"
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
  vpp_under=(env "LD_LIBRARY_PATH=$vpp_libs" "LD_PRELOAD=$vpp_ldp"
    "VCL_CONFIG=$dir/vcl.conf")
  {
    cat "$dir/vcl.conf"
    echo 'sapi { use vpp tcp_* *:* require }'
  } > "$dir/ours.conf"
  onvpp_under=(env "LD_PRELOAD=$build/preload/.libs/libsapi_preload.so"
    "SAPI_CONFIG=$dir/ours.conf" "SAPI_SOCKET=$dir/no-sapid")
}
