#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

bin=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | tail -n 1)

# It refuses to run as root; and who talks to whom must be one user.
setup() {
  user=()
  [ "$(id -u)" != 0 ] || user=(setpriv --reuid postgres --regid postgres --init-groups)
  long
  [ -n "$bin" ] || skip "no postgresql"
  need_preloaded "$bin/postgres" --version
  "${user[@]}" test -r "$PRELOAD_LIB" -a -x "$SAPID" ||
    skip "the build tree is not open to postgres"
  data=$(mktemp -d /tmp/sapi-pg.XXXXXX)
  [ "$(id -u)" != 0 ] || chown postgres: "$data"
  start_sapid "${user[@]}"
}
teardown() {
  stop_all
  [ -n "${data:-}" ] || return 0
  rm -rf "$data"
  stop_sapid
}

# database HOW: on $port
database() {
  rm -rf "$data/db"
  "${user[@]}" "$bin/initdb" -D "$data/db" -A trust -N > /dev/null
  free_port
  serve "$1" "${user[@]}" "$bin/postgres" -D "$data/db" -p "$port" -F \
    -c unix_socket_directories= -c listen_addresses=127.0.0.1
  wait_port "$port"
  within 20 "${user[@]}" "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"
}

bench() {
  database "$1"
  as "$2" "${user[@]}" timeout 100 "$bin/pgbench" -q -h 127.0.0.1 -p "$port" \
    -i postgres
  as "$2" "${user[@]}" timeout 100 "$bin/pgbench" -h 127.0.0.1 -p "$port" \
    -c 8 -j 2 -t 200 postgres > "$BATS_TEST_TMPDIR/out"
  grep -q 'processed: 1600/1600' "$BATS_TEST_TMPDIR/out"
  run -0 as "$2" "${user[@]}" "$bin/psql" -h 127.0.0.1 -p "$port" -tA \
    -c 'select count(*) from pgbench_history' postgres
  [ "$output" = 1600 ]
}

@test "postgresql: pgbench, a process for each connection" {
  each_pair bench
}

# copied HOW HOW: a GiB in, and the same out
copied() {
  database "$1"
  as "$2" "${user[@]}" "$bin/psql" -q -h 127.0.0.1 -p "$port" postgres \
    -c 'create unlogged table lines (line text)'
  lines | tee >(hash_of - > "$BATS_TEST_TMPDIR/in") |
    as "$2" "${user[@]}" timeout 150 "$bin/psql" -q -h 127.0.0.1 -p "$port" \
      postgres -c 'copy lines from stdin'
  as "$2" "${user[@]}" timeout 150 "$bin/psql" -q -h 127.0.0.1 -p "$port" \
    postgres -c 'copy lines to stdout' | hash_of - |
    diff - "$BATS_TEST_TMPDIR/in"
}

# lines: 1 GiB of them, of random letters
lines() {
  openssl enc -aes-128-ctr -pass pass:seed -nosalt -md sha256 < /dev/zero 2> /dev/null |
    base64 -w 0 | fold -w 1021 | head -n 1050000
}

@test "postgresql: a GiB by COPY, in and out" {
  export BATS_TEST_TIMEOUT=900
  each_pair copied
}
