# Do programs import a call on sockets that the interposer does not know of?
bats_require_minimum_version 1.5.0
load helpers.bash

# What need not be wrapped, and why.
#
# On a socket the kernel's descriptor gives the answer itself: names, facts
# about the inode, ESPIPE for a position, EINVAL or ENOTSOCK for the rest.
kernel='bindresvport fstat fstat64 fstatfs fstatfs64 fstatvfs fstatvfs64
  statx fchmod fchown fsync fdatasync syncfs sync_file_range ftruncate
  ftruncate64 fallocate fallocate64 posix_fallocate posix_fallocate64
  posix_fadvise posix_fadvise64 readahead flock lockf lockf64 lseek lseek64
  pread pread64 preadv preadv64 pwrite pwrite64 pwritev pwritev64 __pread64
  __pread_chk __pread64_chk mmap mmap64 futimens futimes utimensat
  fgetxattr fsetxattr flistxattr fremovexattr fpathconf isfdtype isatty
  ttyname ttyname_r tcgetattr tcsetattr tcgetpgrp tcsetpgrp tcgetsid tcflush
  tcdrain tcflow tcsendbreak __fxstat __fxstat64
  signalfd timerfd_settime timerfd_gettime inotify_add_watch
  inotify_rm_watch eventfd_read eventfd_write fanotify_mark setns
  copy_file_range sockatmark tee vmsplice'
# Descriptors of directories, only there to begin a path.
paths='openat openat64 __openat_2 __openat64_2 mkdirat mknodat mkfifoat
  linkat symlinkat unlinkat renameat renameat2 readlinkat __readlinkat_chk
  faccessat fchmodat fchownat fstatat fstatat64 __fxstatat __fxstatat64
  futimesat fchdir fdopendir scandirat scandirat64 getdents64
  name_to_handle_at open_by_handle_at'
# The call happens later, in a child, where only the kernel's half counts.
children='posix_spawn_file_actions_addfchdir_np login_tty'
# Looks at a number, touches no descriptor.
numbers='__fdelt_chk __fdelt_warn'
# Known limits (libsapi_preload(7)): takes what is another process's.
limits='pidfd_getfd'

programs='nginx apache2 ab redis-server redis-benchmark redis-cli memcached
  haproxy iperf3 wrk curl wget ssh sshd socat nc python3 node java perl
  postgres psql lighttpd vsftpd siege stunnel4 dnsmasq git rsync bash'

words() { tr -s ' \n' '\n\n' <<< "$*" | grep . | LC_ALL=C sort -u; }

# The headers' functions with a parameter that is a descriptor, or a set of
# them; their second names; and the fortified ones, which no header has.
takers() {
  local header
  for header in dirent fcntl poll pty spawn stdio sys/epoll sys/eventfd \
    sys/fanotify sys/file sys/inotify sys/ioctl sys/mman sys/pidfd \
    sys/select sys/sendfile sys/signalfd sys/socket sys/stat sys/statfs \
    sys/statvfs sys/time sys/timerfd sys/uio sys/xattr termios unistd; do
    printf '#if __has_include(<%s.h>)\n#include <%s.h>\n#endif\n' \
      "$header" "$header"
  done > "$BATS_FILE_TMPDIR/all.c"
  # shellcheck disable=SC2086 # $CC may be two words
  ${CC:-cc} -D_GNU_SOURCE -E -P "$BATS_FILE_TMPDIR/all.c" | perl -0777 -ne '
    my $params = qr/\([^()]*(?:\([^()]*\)[^()]*)*\)/;
    my $takes = qr/\bint\s+_*(\w*fd\w*|filde?s\d?|filedes|s)\b
                   |\bfd_set\b|struct\s+pollfd/x;
    while (/\b(\w+)\s*($params)/g) {
      my ($name, $list) = ($1, $2);
      print "$name\n__$name\n" if $list =~ $takes;
    }'
  words __read_chk __pread_chk __pread64_chk __recv_chk __recvfrom_chk \
    __poll_chk __ppoll_chk __fdelt_chk __readlinkat_chk __dprintf_chk \
    __vdprintf_chk __openat_2 __openat64_2 __fxstat __fxstat64 syscall
}

# binary PROGRAM: its file, if it is a binary
binary() {
  local file
  file=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$1") || return 1
  [ "$(head -c 2 "$file")" != '#!' ] || file=/usr/bin/$1
  file=$(readlink -f "$file")
  [ "$(head -c 4 "$file" 2> /dev/null)" = $'\x7fELF' ] && echo "$file"
}

# imports FILE: what it and its libraries want of libc
imports() {
  { echo "$1"; ldd "$1" | awk '/=> \// { print $3 }'; } |
    grep -vE '/(libc|libm|libpthread|libdl|librt|libresolv)\.so' |
    xargs nm -D --undefined-only 2> /dev/null |
    sed -n 's/.* \([A-Za-z0-9_]*\)@GLIBC.*/\1/p' | LC_ALL=C sort -u
}

wrapped() {
  sed -n '/global:/,/local:/s/^[[:space:]]*\([A-Za-z_0-9]*\);/\1/p' \
    "$top_srcdir/preload/preload.map"
}

setup_file() {
  takers | LC_ALL=C sort -u > "$BATS_FILE_TMPDIR/takers"
  words "$(wrapped)" "$kernel" "$paths" "$children" "$numbers" "$limits" \
    > "$BATS_FILE_TMPDIR/known"
}

@test "the headers are understood" {
  # what is wrapped and takes a descriptor must be found by the same search
  words "$(wrapped)" |
    grep -vE '^(__|socket$|epoll_create1?$|_[eE]xit$|exec|posix_spawn)' |
    grep -vE '^(popen|prctl|system|p(read|write)v(64v)?2)$' |
    grep -vE '^(sigaction|signal|sigset|ssignal|sysv_signal)$' |
    LC_ALL=C comm -13 "$BATS_FILE_TMPDIR/takers" - > "$BATS_TEST_TMPDIR/lost"
  cat "$BATS_TEST_TMPDIR/lost"
  [ ! -s "$BATS_TEST_TMPDIR/lost" ]
}

@test "nothing is both wrapped and excepted, or excepted twice" {
  run -0 sort <(words "$(wrapped)") <(words "$kernel") <(words "$paths") \
    <(words "$children") <(words "$numbers") <(words "$limits")
  run uniq -d <<< "$output"
  [ -z "$output" ]
}

@test "every import that takes a descriptor is wrapped, or excepted above" {
  local program file seen=0 bad=0
  [ -n "$(wrapped)" ]
  for program in $programs; do
    file=$(binary "$program") || continue
    seen=$((seen + 1))
    imports "$file" > "$BATS_TEST_TMPDIR/imports"
    LC_ALL=C comm -12 "$BATS_TEST_TMPDIR/imports" "$BATS_FILE_TMPDIR/takers" |
      LC_ALL=C comm -23 - "$BATS_FILE_TMPDIR/known" \
      > "$BATS_TEST_TMPDIR/unknown"
    if [ -s "$BATS_TEST_TMPDIR/unknown" ]; then
      echo "$program: $(tr '\n' ' ' < "$BATS_TEST_TMPDIR/unknown")"
      bad=1
    fi
  done
  echo "looked at $seen programs"
  [ "$seen" -gt 0 ] && [ "$bad" = 0 ]
}
