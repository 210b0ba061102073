#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Programs that carry trees of files: rsync, git, FTP, busybox.

setup_file() {
  local i
  start_sapid
  blob 32 "$BATS_FILE_TMPDIR/in" > "$BATS_FILE_TMPDIR/hash"
  # many small files and a large one
  mkdir -p "$BATS_FILE_TMPDIR/tree"/{a,b,c}
  for i in {1..300}; do
    head -c "$((i * 17))" /dev/urandom > "$BATS_FILE_TMPDIR/tree/a/$i"
  done
  seq 200000 > "$BATS_FILE_TMPDIR/tree/b/text"
  blob 20 "$BATS_FILE_TMPDIR/tree/c/large" > /dev/null
}
teardown_file() { stop_sapid; }
setup() { long; }
teardown() { stop_all; }

same_as_tree() {
  diff -r "$BATS_FILE_TMPDIR/tree" "$1"
}

synced() {
  local there=$BATS_TEST_TMPDIR/there back=$BATS_TEST_TMPDIR/back
  rm -rf "$there" "$back"
  mkdir "$there" "$back"
  free_port
  cat > "$BATS_TEST_TMPDIR/rsyncd.conf" << EOF
use chroot = no
pid file = $BATS_TEST_TMPDIR/rsyncd.pid
lock file = $BATS_TEST_TMPDIR/rsyncd.lock
[there]
path = $there
read only = no
$([ "$(id -u)" != 0 ] || printf '%s\n' 'uid = root' 'gid = root')
EOF
  rm -f "$BATS_TEST_TMPDIR/rsyncd.pid"
  serve "$1" rsync --daemon --no-detach --config "$BATS_TEST_TMPDIR/rsyncd.conf" \
    --address 127.0.0.1 --port "$port"
  wait_port "$port"
  as "$2" timeout 60 rsync -a "$BATS_FILE_TMPDIR/tree/" \
    "rsync://127.0.0.1:$port/there/"
  same_as_tree "$there"
  as "$2" timeout 60 rsync -az "rsync://127.0.0.1:$port/there/" "$back/"
  same_as_tree "$back"
  # what changed, found by checksums
  printf changed | dd of="$back/c/large" bs=1 seek=10000000 conv=notrunc status=none
  rm "$back/b/text"
  as "$2" timeout 60 rsync -ac --no-whole-file \
    "rsync://127.0.0.1:$port/there/" "$back/"
  same_as_tree "$back"
}

@test "rsync: a tree to a daemon, and back" {
  need rsync
  each_pair synced
}

cloned() {
  local base=$BATS_TEST_TMPDIR/base clone=$BATS_TEST_TMPDIR/clone
  local git=(git -c user.name=me -c user.email=me@localhost)
  rm -rf "$base" "$clone"
  mkdir "$base"
  "${git[@]}" init -q "$base/tree"
  cp -r "$BATS_FILE_TMPDIR/tree/." "$base/tree"
  "${git[@]}" -C "$base/tree" add .
  "${git[@]}" -C "$base/tree" commit -q -m tree
  free_port
  serve "$1" git daemon --reuseaddr --listen=127.0.0.1 --port="$port" \
    --export-all --enable=receive-pack --base-path="$base"
  wait_port "$port"
  as "$2" timeout 60 git clone -q "git://127.0.0.1:$port/tree" "$clone"
  diff -r -x .git "$base/tree" "$clone"
  echo more > "$clone/more"
  "${git[@]}" -C "$clone" add more
  "${git[@]}" -C "$clone" commit -q -m more
  as "$2" timeout 60 git -C "$clone" push -q origin HEAD:refs/heads/more
  [ "$(git -C "$base/tree" show more:more)" = more ]
  as "$2" timeout 60 git -C "$clone" fetch -q origin
  git -C "$clone" fsck --no-progress
}

@test "git: clone from a daemon, push, fetch" {
  need git
  may_stay="the daemon executes another program for each" each_pair cloned
}

busy() {
  free_port
  serve "$1" busybox httpd -f -p "127.0.0.1:$port" -h "$BATS_FILE_TMPDIR"
  wait_port "$port"
  for _ in 1 2 3; do
    as "$2" timeout 60 busybox wget -q -O - "http://127.0.0.1:$port/in" |
      hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
  done
  free_port
  # a child by exec for each connection
  serve "$1" busybox nc -ll -p "$port" -e cat
  wait_port "$port"
  for _ in 1 2; do
    as "$2" timeout 60 busybox nc 127.0.0.1 "$port" < "$BATS_FILE_TMPDIR/in" |
      head -c 32M | hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
  done
}

@test "busybox: httpd, wget, nc" {
  need busybox
  each_pair busy
}

ftp() {
  local dir=$BATS_TEST_TMPDIR/ftp passive
  mkdir -p "$dir/up"
  cp "$BATS_FILE_TMPDIR/in" "$dir/in"
  free_port
  cat > "$BATS_TEST_TMPDIR/vsftpd.conf" << EOF
listen=YES
listen_address=127.0.0.1
listen_port=$port
background=NO
run_as_launching_user=YES
anonymous_enable=YES
no_anon_password=YES
anon_root=$dir
allow_writeable_chroot=YES
write_enable=YES
anon_upload_enable=YES
anon_umask=022
vsftpd_log_file=$BATS_TEST_TMPDIR/vsftpd.log
seccomp_sandbox=NO
EOF
  serve "$1" vsftpd "$BATS_TEST_TMPDIR/vsftpd.conf"
  wait_port "$port"
  # the server listens for the data, and the client does
  for passive in --ftp-pasv "--ftp-port 127.0.0.1"; do
    # shellcheck disable=SC2086 # words
    as "$2" timeout 60 curl -sS $passive "ftp://127.0.0.1:$port/in" |
      hash_of - | diff - "$BATS_FILE_TMPDIR/hash"
    rm -f "$dir/up/out"
    # shellcheck disable=SC2086
    as "$2" timeout 60 curl -sS $passive -T "$dir/in" \
      "ftp://127.0.0.1:$port/up/out"
    hash_of < "$dir/up/out" | diff - "$BATS_FILE_TMPDIR/hash"
    rm "$dir/up/out"
    # twice on one connection
    # shellcheck disable=SC2086
    as "$2" timeout 60 curl -sS $passive "ftp://127.0.0.1:$port/in" \
      "ftp://127.0.0.1:$port/in" | hash_of - |
      diff - <(cat "$dir/in" "$dir/in" | hash_of -)
  done
}

# with its sandbox, Debian's kills itself: fstat(2) is another call by now
@test "vsftpd: curl fetches and stores, passive and active" {
  need vsftpd
  need_preloaded curl --version
  each_pair ftp
}
