#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

sshd=/usr/sbin/sshd

setup_file() {
  start_sapid
  blob 32 "$BATS_FILE_TMPDIR/in" > "$BATS_FILE_TMPDIR/hash"
}
teardown_file() { stop_sapid; }
setup() {
  long
  need ssh scp ssh-keygen socat
  need_preloaded "$sshd" -V
  [ "$(id -u)" != 0 ] || mkdir -p /run/sshd
}
# its children are in sessions of their own, and go with their connections
teardown() { stop_all; }

# secure HOW: a server on $port for this user's new key; $config is for clients
secure() {
  local dir=$BATS_TEST_TMPDIR key
  for key in host user; do
    [ -e "$dir/$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$dir/$key"
  done
  cp "$dir/user.pub" "$dir/authorized"
  free_port
  cat > "$dir/sshd.conf" << EOF
Port $port
ListenAddress 127.0.0.1
HostKey $dir/host
PidFile $dir/sshd.pid
AuthorizedKeysFile $dir/authorized
StrictModes no
PermitRootLogin yes
Subsystem sftp internal-sftp
EOF
  config=$dir/ssh.conf
  cat > "$config" << EOF
Host there
HostName 127.0.0.1
Port $port
IdentityFile $dir/user
IdentitiesOnly yes
BatchMode yes
UserKnownHostsFile $dir/known
StrictHostKeyChecking accept-new
ExitOnForwardFailure yes
EOF
  rm -f "$dir/known"
  serve "$1" "$sshd" -D -e -f "$dir/sshd.conf"
  wait_port "$port"
}

login() {
  secure "$1"
  for _ in 1 2 3; do
    [ "$(as "$2" timeout 30 ssh -F "$config" there echo hello)" = hello ]
  done
  as "$2" timeout 60 ssh -F "$config" there cat \
    < "$BATS_FILE_TMPDIR/in" | hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
}

@test "ssh: log in, and through it and back" {
  may_stay="sshd executes itself for each connection" each_pair login
}

copy() {
  local old
  secure "$1"
  # by SFTP, and by the old protocol
  for old in "" -O; do
    rm -f "$BATS_TEST_TMPDIR/there" "$BATS_TEST_TMPDIR/back"
    # shellcheck disable=SC2086 # an option or none
    as "$2" timeout 60 scp -q $old -F "$config" "$BATS_FILE_TMPDIR/in" \
      "there:$BATS_TEST_TMPDIR/there"
    hash_of < "$BATS_TEST_TMPDIR/there" | diff - "$BATS_FILE_TMPDIR/hash"
    # shellcheck disable=SC2086
    as "$2" timeout 60 scp -q $old -F "$config" \
      "there:$BATS_TEST_TMPDIR/there" "$BATS_TEST_TMPDIR/back"
    hash_of < "$BATS_TEST_TMPDIR/back" | diff - "$BATS_FILE_TMPDIR/hash"
  done
}

@test "ssh: scp there and back" {
  may_stay="sshd executes itself for each connection" each_pair copy
}

# forwarded HOW HOW: to an echo server, by the client and by the server
forwarded() {
  local echo_port near far
  free_port
  echo_port=$port
  serve "$1" socat "TCP-LISTEN:$echo_port,bind=127.0.0.1,reuseaddr,fork" EXEC:cat
  wait_port "$echo_port"
  free_port
  near=$port
  free_port
  far=$port
  secure "$1"
  serve "$2" ssh -F "$config" -N -L "127.0.0.1:$near:127.0.0.1:$echo_port" \
    -R "127.0.0.1:$far:127.0.0.1:$echo_port" there
  wait_port "$near"
  wait_port "$far"
  for port in "$near" "$far"; do
    for _ in 1 2; do
      as "$2" timeout 60 socat -t 30 - "TCP:127.0.0.1:$port" \
        < "$BATS_FILE_TMPDIR/in" | hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
    done
  done
}

@test "ssh: ports forwarded either way" {
  each_pair forwarded
}
