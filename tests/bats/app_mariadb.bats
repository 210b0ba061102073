#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# It refuses to run as root, but by --user: and who talks to whom must be one user.
setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() {
  long
  need mariadb mariadb-slap mariadb-install-db mariadbd
  user=$(id -un)
  data=$(mktemp -d /tmp/sapi-maria.XXXXXX)
}
teardown() {
  stop_all
  [ -z "${data:-}" ] || rm -rf "$data"
}

# client HOW PROGRAM ARG...
client() {
  as "$1" timeout 100 "$2" --no-defaults --protocol=tcp -h 127.0.0.1 -P "$port" \
    -u root "${@:3}"
}

alive() { client bare mariadb -e 'select 1' > /dev/null 2>&1; }

loaded() {
  [ -e "$data/db" ] ||
    mariadb-install-db --no-defaults --user="$user" --datadir="$data/db" \
      --auth-root-authentication-method=normal --skip-test-db > /dev/null
  free_port
  serve "$1" mariadbd --no-defaults --user="$user" --datadir="$data/db" \
    --port="$port" --bind-address=127.0.0.1 --socket="$data/socket" \
    --thread-handling="$3" --skip-name-resolve --max-allowed-packet=64M \
    --innodb-flush-log-at-trx-commit=0
  wait_port "$port"
  within 30 alive
  client "$2" mariadb-slap --concurrency=16 --iterations=1 \
    --auto-generate-sql --auto-generate-sql-load-type=mixed \
    --number-of-queries=4000
  client "$2" mariadb -e 'create or replace database here'
  # a large value there and back
  {
    printf 'create table t (v longblob); insert into t values (0x'
    xxd -p -c 0 "$BATS_TEST_TMPDIR/in" | tr -d '\n'
    echo ');'
  } | client "$2" mariadb --max-allowed-packet=64M here
  client "$2" mariadb --max-allowed-packet=64M -N here \
    -e 'select hex(v) from t' | xxd -r -p | hash_of - |
    diff - "$BATS_TEST_TMPDIR/hash"
  # many rows
  client "$2" mariadb -N here \
    -e 'select seq, md5(seq) from seq_1_to_300000' | hash_of - > "$BATS_TEST_TMPDIR/rows"
  [ -e "$BATS_TEST_TMPDIR/rows.0" ] ||
    cp "$BATS_TEST_TMPDIR/rows" "$BATS_TEST_TMPDIR/rows.0"
  diff "$BATS_TEST_TMPDIR/rows" "$BATS_TEST_TMPDIR/rows.0"
}

by_threads() { loaded "$1" "$2" one-thread-per-connection; }
by_pool() { loaded "$1" "$2" pool-of-threads; }

@test "mariadb: a thread for each connection" {
  blob 8 "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/hash"
  each_pair by_threads
}

@test "mariadb: a pool of threads" {
  blob 8 "$BATS_TEST_TMPDIR/in" > "$BATS_TEST_TMPDIR/hash"
  each_pair by_pool
}
