# rows.bash - the rows of examples/bench, one function each
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # $way, $by, $seconds are the caller's, to whom
# $rows_unix belongs
#
# row_NAME (- is _ there) is called once by round and way: "kernel", "libsapi",
# "unix" (the kernel's AF_UNIX), "vpp" (VPP's preload on VPP) or "onvpp" (ours
# on VPP). It starts what serves with serve(),
# loads it with load(), and tells with told() what came out, of $scenario, which
# is the first of its lines in tests/bench/table. False: it failed, and $work/out
# or $work/server says why. All that it started is stopped after it.

# These have a way "unix".
declare -A requests
rows_unix="redis-50 redis-1 redis-16 nginx-curl pgbench sleepers"

# programs ROW: what must be installed
programs() {
  case $1 in
    sockperf* | one-cpu | three-pairs) echo sockperf ;;
    iperf3*) echo iperf3 ;;
    redis*) echo redis-server redis-cli redis-benchmark ;;
    nginx-wrk) echo nginx wrk ;;
    nginx-curl) echo nginx curl ;;
    memcached) echo memcached memcaslap ;;
    pgbench) echo "${pg_bin:-postgres}/initdb" ;;
    ab) echo nginx ab ;;
  esac
}

# spawn OUTPUT COMMAND...: in a session of its own, $pid, till the run ends
spawn() {
  local to=$1
  shift
  setsid "$@" < /dev/null > "$to" 2> "$to.err" 3>&- &
  pid=$!
  groups+=("$pid")
}

# serve COMMAND...: under what $way runs under; it will listen on $port
serve() {
  spawn "$work/server" "${by[@]}" "$@"
  servers+=("$pid")
  if [ "$way" = unix ]; then
    within "$pid" test -S "$sock"
  elif [[ $way = *vpp ]]; then
    # what listens there is not to be seen from here
    sleep 1 && kill -0 "$pid" 2> /dev/null
  else
    within "$pid" listening "$port"
  fi
}

# within PID COMMAND...: poll for ten seconds, or till PID is gone
within() {
  local i pid=$1
  shift
  for ((i = 0; i < 500; i++)); do
    "$@" && return
    kill -0 "$pid" 2> /dev/null || return 1
    sleep 0.02
  done
  return 1
}

# load COMMAND...: the client, within a time; its output is $work/out, and the
# servers' CPU time meanwhile $cpu, in ns
load() {
  local before rc=0
  before=$(cpu_ns)
  spawn "$work/out" timeout -k 2 "$((seconds * 4 + 20))" "${by[@]}" "$@"
  wait "$pid" || rc=$?
  cpu=$(($(cpu_ns) - before))
  [ "$rc" != 124 ] || echo "${1##*/} does not end" > "$work/out.err"
  return "$rc"
}

# cpu_ns: CPU time of $servers and all their children, dead ones too. stat
# counts in ticks; schedstat, where the kernel has it, is exact for who lives.
cpu_ns() {
  local member family dead ticks ns
  # shellcheck disable=SC2046 # words
  set -- $(cat /proc/[0-9]*/stat 2> /dev/null |
    awk -v roots="${servers[*]}" '
      { pid = $1; sub(/.*\) /, ""); parent[pid] = $2
        own[pid] = $12 + $13; waited[pid] = $14 + $15 }
      END {
        for (i = split(roots, root, " "); i > 0; i--) in_family[root[i]]
        do {
          more = 0
          for (pid in parent)
            if (!(pid in in_family) && parent[pid] in in_family) {
              in_family[pid]; more = 1
            }
        } while (more)
        for (pid in in_family)
          if (pid in own) {
            ticks += own[pid]; dead += waited[pid]; family = family " " pid
          }
        print ticks + 0, dead + 0, family
      }')
  ticks=$1 dead=$2
  shift 2
  family=("$@")
  ns=$(for member in "${family[@]}"; do
    cat "/proc/$member"/task/*/schedstat 2> /dev/null
  done | awk '{ ns += $1 } END { printf "%.0f", ns }')
  [ "$ns" != 0 ] || ns=$((ticks * (1000000000 / tick_hz)))
  echo $((ns + dead * (1000000000 / tick_hz)))
}

# told SCENARIO METRIC NUMBER
told() { figure "$1" "$2" "$way" "$3"; }

# told_cpu SCENARIO UNIT COUNT: the servers' for each of COUNT requests
told_cpu() {
  told "$1" "server us/$2" \
    "$(awk "BEGIN { printf \"%.4f\", $cpu / 1000 / $3 }")"
}

# after WORD: the first number that follows these words in the loader's output
after() {
  sed -n "s/.*$1[^0-9]*\([0-9][0-9.]*\).*/\1/p" "$work/out" | head -n 1
}

sockperf_server() {
  free_port
  serve sockperf sr --tcp -i 127.0.0.1 -p "$port"
}

# of its time sockperf does not count the first 0.4 s
sockperf_pp() {
  load sockperf pp --tcp -i 127.0.0.1 -p "$port" -m 64 -t $((seconds + 1)) \
    --mps 5000000
}

row_sockperf_pp() {
  sockperf_server && sockperf_pp || return
  told "$scenario" "p50 us" "$(after 'percentile 50\.000')" &&
    told "$scenario" "p99 us" "$(after 'percentile 99\.000')" &&
    told_cpu "$scenario" msg "$(after SentMessages=)"
}

row_sockperf_tp() {
  sockperf_server || return
  load sockperf tp --tcp -i 127.0.0.1 -p "$port" -m 64 -t $((seconds + 1)) ||
    return
  told "$scenario" "msg/s" "$(after 'Message Rate is')" &&
    told_cpu "$scenario" msg "$(after 'Total of')"
}

row_one_cpu() {
  by=(taskset -c "${cpus[0]}" "${by[@]}")
  sockperf_server && sockperf_pp || return
  told "$scenario" "p50 us" "$(after 'percentile 50\.000')" &&
    told_cpu "$scenario" msg "$(after SentMessages=)"
}

row_three_pairs() {
  local i pids=() all=
  by=(taskset -c "${cpus[0]},${cpus[1]:-${cpus[0]}}" "${by[@]}")
  for i in 1 2 3; do
    sockperf_server || return
    spawn "$work/out.$i" timeout -k 2 $((seconds + 20)) "${by[@]}" \
      sockperf pp --tcp -i 127.0.0.1 -p "$port" -m 64 -t $((seconds + 1)) \
      --mps 5000000
    pids+=("$pid")
  done
  for i in 1 2 3; do
    mv "$work/out.$i" "$work/out"
    wait "${pids[i - 1]}" || return
    all+=" $(after SentMessages=)"
  done
  told "$scenario" share "$(awk -v all="$all" 'BEGIN {
    n = split(all, a, " "); least = a[1]
    for (i = 1; i <= n; i++) { sum += a[i]; if (a[i] < least) least = a[i] }
    printf "%.3f", least / (sum / n) }')"
}

iperf() {
  free_port
  serve iperf3 -s -B 127.0.0.1 -p "$port" || return
  load iperf3 -c 127.0.0.1 -p "$port" -t "$seconds" -J "$@" &&
    jq -e 'has("error") | not' "$work/out" > /dev/null || return
  told "$scenario" "Gbit/s" \
    "$(jq '.end.sum_received.bits_per_second / 1e9' "$work/out")" &&
    told_cpu "$scenario" MiB \
      "$(jq '.end.sum_received.bytes / 1048576' "$work/out")"
}
row_iperf3_1() { iperf; }
row_iperf3_4() { iperf -P 4; }
row_iperf3_r() { iperf -R; }

redis_up() {
  free_port
  redis_at=(-h 127.0.0.1 -p "$port")
  [ "$way" != unix ] || redis_at=(-s "$sock")
  serve redis-server --port "$port" --bind 127.0.0.1 --unixsocket "$sock" \
    --protected-mode no --save "" --appendonly no --dir "$work" || return
  # the key that redis-benchmark asks for
  load redis-cli "${redis_at[@]}" set key:__rand_int__ xxx
}

# redis_load TEST ARG...: as many requests as take $seconds
redis_load() {
  local n=${requests[$way:$scenario]:-} test=$1
  shift
  if [ -z "$n" ]; then
    load redis-benchmark "${redis_at[@]}" --csv -n 5000 -t "$test" "$@" ||
      return
    n=$(redis_rps | awk -v s="$seconds" '{ n = int($1 * s); print n ? n : 1 }')
    requests[$way:$scenario]=$n
  fi
  load redis-benchmark "${redis_at[@]}" --csv -n "$n" -t "$test" "$@" || return
  told "$scenario" "req/s" "$(redis_rps)" && told_cpu "$scenario" req "$n"
}
redis_rps() {
  tr -d '"' < "$work/out" | awk -F , '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == "rps") at = i }
    NR == 2 { print $at }'
}

row_redis_50() {
  redis_up && redis_load get -c 50 || return
  scenario=${scenario/GET/SET}
  redis_load set -c 50
}
row_redis_1() { redis_up && redis_load get -c 1; }
row_redis_16() { redis_up && redis_load get -c 50 -P 16; }

# nginx with one worker, so that it and its client have a CPU each of two
nginx_up() {
  local dir=$work/nginx
  mkdir -p "$dir/www"
  [ -e "$dir/www/1k" ] || head -c 1024 /dev/zero > "$dir/www/1k"
  free_port
  {
    # the workers of root's nginx are nobody's, and must be ours
    [ "$(id -u)" != 0 ] || echo "user root root;"
    cat << CONF
worker_processes 1;
daemon off;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  client_body_temp_path $dir/body;
  proxy_temp_path $dir/proxy;
  fastcgi_temp_path $dir/fastcgi;
  uwsgi_temp_path $dir/uwsgi;
  scgi_temp_path $dir/scgi;
  server {
    listen 127.0.0.1:$port;
    listen unix:$sock;
    root $dir/www;
  }
}
CONF
  } > "$dir/nginx.conf"
  serve nginx -e "$dir/error.log" -c "$dir/nginx.conf"
}

row_nginx_wrk() {
  nginx_up || return
  load wrk -t 1 -c 32 -d "${seconds}s" "http://127.0.0.1:$port/1k" || return
  ! grep -E 'Non-2xx|Socket errors: .*(connect|read|write) [1-9]' "$work/out" &&
    told "$scenario" "req/s" "$(after 'Requests\/sec:')" &&
    told_cpu "$scenario" req \
      "$(awk '/requests in/ { print $1 }' "$work/out")"
}

# 1 GiB that is in memory: no disk is part of it
large_file() {
  local file=$work/nginx/www/1g dir=/dev/shm
  [ ! -e "$file" ] || return 0
  if [ "$(df --output=avail -B 1M "$dir" 2> /dev/null | tail -n 1)" -ge 2048 ] &&
    [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -ge 3072 ]
  then
    dir=$(mktemp -d "$dir/sapi-bench.XXXXXX") || return
    cleanup rm -rf "$dir"
    head -c 1G /dev/zero > "$dir/1g"
    ln -s "$dir/1g" "$file"
  else
    truncate -s 1G "$file"
  fi
}

row_nginx_curl() {
  local from=()
  nginx_up && large_file || return
  [ "$way" != unix ] || from=(--unix-socket "$sock")
  load curl -sS --fail "${from[@]}" -o /dev/null -w 'bytes/s %{speed_download}\n' \
    "http://127.0.0.1:$port/1g" || return
  told "$scenario" "GiB/s" \
    "$(awk '{ printf "%.3f", $2 / 1073741824 }' "$work/out")" &&
    told_cpu "$scenario" MiB 1024
}

row_ab() {
  nginx_up || return
  # -t sets -n, and so comes before
  load ab -q -t "$seconds" -n $((seconds * 100000)) -c 16 \
    "http://127.0.0.1:$port/1k" || return
  ! grep -E '^Non-2xx|^Failed requests: *[1-9]' "$work/out" &&
    told "$scenario" "req/s" "$(after 'Requests per second:')" &&
    told_cpu "$scenario" req "$(after 'Complete requests:')"
}

row_memcached() {
  local user=() mix=$work/memcaslap
  [ "$(id -u)" != 0 ] || user=(-u root)
  # keys and values of 64 and 100 bytes, 1 set of 10; or it writes into our home
  printf '%s\n' key "64 64 1" value "100 100 1" cmd "0 0.1" "1 0.9" > "$mix"
  free_port
  serve memcached -l 127.0.0.1 -p "$port" -U 0 -t 4 "${user[@]}" || return
  load memcaslap -s "127.0.0.1:$port" -T 2 -c 32 -F "$mix" -t "${seconds}s" ||
    return
  told "$scenario" "req/s" "$(after TPS:)" &&
    told_cpu "$scenario" req "$(after Ops:)"
}

# PostgreSQL won't run as root, and who is to talk by shared memory must be one
# user: both ends and a sapid are postgres's then.
pg_bin=$(find /usr/lib/postgresql -path '*/bin/initdb' 2> /dev/null | sort -V |
  tail -n 1)
pg_bin=${pg_bin%/initdb}
# pg_daemon DIR: sets pg_under
pg_daemon() {
  local work=$1 under
  start_daemon "$1/build" "${pg_as[@]}"
  pg_under=("${under[@]}")
  runs+=("$1/run")
}
pg_up() {
  local dir=$work/pg
  pg_by=("${by[@]}")
  if [ ! -d "$dir" ]; then
    pg_as=() pg_under=("${under[@]}")
    mkdir "$dir"
    if [ "$(id -u)" = 0 ]; then
      pg_as=(setpriv --reuid postgres --regid postgres --init-groups)
      # our tree may be in a folder that is closed to others
      mkdir -p "$dir/build/daemon" "$dir/build/preload/.libs"
      cp "$build/daemon/sapid" "$dir/build/daemon"
      cp "$build/preload/.libs/libsapi_preload.so" "$dir/build/preload/.libs"
      chown -R postgres: "$dir"
      pg_daemon "$dir"
    fi
    spawn "$work/out" "${pg_as[@]}" "$pg_bin/initdb" -D "$dir/db" -A trust -N
    wait "$pid" || return
    pg_new=1
  fi
  [ "$way" != libsapi ] || pg_by=("${pg_under[@]}")
  by=("${pg_as[@]}" "${pg_by[@]}")
  free_port
  sock=$dir/.s.PGSQL.$port
  serve "$pg_bin/postgres" -D "$dir/db" -p "$port" -F \
    -c "unix_socket_directories=$dir" -c listen_addresses=127.0.0.1 \
    -c dynamic_shared_memory_type=mmap || return
  pg_at=(-h 127.0.0.1 -p "$port")
  [ "$way" != unix ] || pg_at=(-h "$dir" -p "$port")
  within "${servers[0]}" "${pg_as[@]}" "$pg_bin/pg_isready" -q -h "$dir" \
    -p "$port" || return
  [ -z "$pg_new" ] || load "$pg_bin/pgbench" "${pg_at[@]}" -q -i postgres ||
    return
  pg_new=
}

row_pgbench() {
  pg_up || return
  load "$pg_bin/pgbench" "${pg_at[@]}" -S -c 4 -j 2 -T "$seconds" -n postgres ||
    return
  told "$scenario" "req/s" "$(after 'tps =')" &&
    told_cpu "$scenario" req "$(after 'actually processed:')"
}

# No server: pipes, files, and sockets whose other end is not ours
row_overhead() {
  local line
  load "$build/tests/bench/overhead" -l -w $((seconds * 2000)) || return
  while read -ra line; do
    # NAME... NUMBER ns
    [ "${line[0]}" != getpid ] || continue
    told "write+read ${line[*]:0:${#line[@]}-2}" ns "${line[-2]}" || return
  done < "$work/out"
}

row_sleepers() {
  local at n=$((seconds * 90))
  free_port
  at=$port
  [ "$way" != unix ] || at=$sock
  serve "$build/tests/bench/pingpong" -k -l "$at" || return
  load "$build/tests/bench/pingpong" -i 10000 -n "$n" "$at" || return
  told "$scenario" "p50 us" "$(cat "$work/out")" &&
    told_cpu "$scenario" msg "$n"
}
