# What must hold for every program, whether it has sockets or not.
bats_require_minimum_version 1.5.0
load helpers.bash

# same CMD...: says and returns the same with the interposer and without
same() {
  local bare=0 ours=0
  # what the program itself leaves behind is not the question
  local -x ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
  timeout 60 "$@" > "$BATS_TEST_TMPDIR/bare" 2>&1 < /dev/null || bare=$?
  preload timeout 60 "$@" > "$BATS_TEST_TMPDIR/ours" 2>&1 < /dev/null || ours=$?
  diff "$BATS_TEST_TMPDIR/bare" "$BATS_TEST_TMPDIR/ours"
  [ "$bare" = "$ours" ]
}

uninstrumented() { [ -z "$SANITIZER_RUNTIME" ] || skip "instrumented build"; }

# with MODULE CMD...: run under the module and the interposer, either first
with() {
  local module=$1
  shift
  run -0 env LD_PRELOAD="$module:$PRELOAD_LIB" "$@"
  first=$output
  run -0 env LD_PRELOAD="$PRELOAD_LIB:$module" "$@"
  [ "$first" = "$output" ]
}

@test "every wrapped call does on the kernel what libc's does" {
  same "$top_builddir/tests/bats/calls"
  [ "$(wc -l < "$BATS_TEST_TMPDIR/ours")" -gt 100 ]
}

@test "io_uring is refused, unless a line for the program passes it" {
  need /usr/bin/python3
  ring='import ctypes as c; s = c.CDLL(None, use_errno=True).syscall
print(s(425, 1, None), c.get_errno())'
  run -0 /usr/bin/python3 -c "$ring"
  kernel=$output # EFAULT, or that there is none
  run -0 preload /usr/bin/python3 -c "$ring"
  [ "$output" = "-1 38" ]
  SAPI_RULES='io-uring pass' run -0 preload /usr/bin/python3 -c "$ring"
  [ "$output" = "$kernel" ]
  SAPI_RULES='application-id other *; io-uring pass' \
    run -0 preload /usr/bin/python3 -c "$ring"
  [ "$output" = "-1 38" ]
}

@test "ls and cat" {
  same ls -l /etc
  same ls /nowhere
  same cat /proc/self/comm /nowhere
}

@test "bash: pipes, redirections, jobs" {
  same bash -c 'seq 1000 | sort -r | head -n 3; exec 7<&0 8>&1; echo x >&8; false'
  same bash -c 'sleep 0.01 & wait; (exit 3)'
}

@test "perl" {
  need perl
  same perl -e 'socketpair(A, B, 1, 1, 0); syswrite A, "x"; sysread B, $b, 1; print "$b\n"'
}

@test "python: subprocess, selectors, sockets over loopback" {
  need /usr/bin/python3
  same /usr/bin/python3 -c '
import os, selectors, socket, subprocess, threading
print(subprocess.run(["echo", "x"], capture_output=True, close_fds=True))
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
a, _ = s.accept()
sel = selectors.DefaultSelector()
sel.register(a, selectors.EVENT_READ)
t = threading.Thread(target=lambda: c.sendall(b"y" * 100000))
t.start()
n = 0
while n < 100000:
    sel.select()
    n += len(a.recv(65536))
t.join()
c.close()
sel.select()
print(n, a.recv(1), a.fileno())
with a.dup().makefile("wb") as f:
    f.write(b"z")
'
}

@test "node" {
  uninstrumented
  need node
  same node -e '
const net = require("net");
const s = net.createServer((c) => c.pipe(c)).listen(0, "127.0.0.1", () => {
  const c = net.connect(s.address().port, "127.0.0.1", () => c.end("hello"));
  c.on("data", (d) => console.log(String(d)));
  c.on("close", () => s.close());
});'
}

@test "curl file://" {
  uninstrumented # curl does not survive libasan alone
  need curl
  echo here > "$BATS_TEST_TMPDIR/file"
  same curl -s "file://$BATS_TEST_TMPDIR/file"
  same curl -s "file:///nowhere"
}

@test "no descriptor more than without" {
  same ls /proc/self/fd
  same bash -c 'ls -l /proc/$$/fd/ 2>/dev/null | grep -c socket'
}

@test "ls makes no socket, reads no configuration" {
  uninstrumented
  need strace
  strace -f -o "$BATS_TEST_TMPDIR/bare" ls / > /dev/null ||
    skip "no tracing here"
  strace -f -o "$BATS_TEST_TMPDIR/ours" -E LD_PRELOAD="$PRELOAD_LIB" ls / \
    > /dev/null
  grep -q libsapi_preload "$BATS_TEST_TMPDIR/ours"
  run ! grep -E '(socket|connect|memfd_create|eventfd2|epoll_create1)\(' \
    "$BATS_TEST_TMPDIR/ours"
  run ! grep -E 'sapi[^_]*\.conf|vcl\.conf' "$BATS_TEST_TMPDIR/ours"
  # the loader's work on one more module, and nothing of ours
  for trace in bare ours; do
    sed -E '/libsapi_preload/d; s/^[0-9]+ +([a-z0-9_]+).*/\1/' \
      "$BATS_TEST_TMPDIR/$trace" |
      grep -vxE '.*[+]{3}.*|openat|read|pread64|newfstatat|fstat|mmap|mprotect|munmap|close|brk|access|prctl' \
      > "$BATS_TEST_TMPDIR/$trace.calls" || true
  done
  diff "$BATS_TEST_TMPDIR/bare.calls" "$BATS_TEST_TMPDIR/ours.calls"
}

@test "it works before its own constructor has run" {
  cd "$BATS_TEST_TMPDIR"
  echo 'int main(void) { return 0; }' > main.c
  # shellcheck disable=SC2086 # $CC may be two words
  ${CC:-cc} -fPIC -shared -o libearly.so "$top_srcdir/tests/bats/early.c"
  # shellcheck disable=SC2086
  ${CC:-cc} -o main main.c -Wl,--no-as-needed -L. -learly -Wl,-rpath,"$PWD"
  run -0 preload ./main
  [ "$output" = early ]
  # the test is about this order
  LD_DEBUG=files preload ./main 2>&1 | grep 'calling init:' > inits
  grep -m 1 -E 'libearly|libsapi_preload' inits | grep libearly
}

@test "an allocator may call it while it looks for libc's functions" {
  uninstrumented
  cd "$BATS_TEST_TMPDIR"
  # shellcheck disable=SC2086
  ${CC:-cc} -DALLOCATOR -fPIC -shared -o early.so "$top_srcdir/tests/bats/early.c"
  with "$PWD/early.so" timeout 20 sort /etc/passwd
}

@test "with jemalloc" {
  uninstrumented
  module=$(library libjemalloc.so.2)
  [ -n "$module" ] || skip "no jemalloc"
  with "$module" timeout 20 bash -c 'seq 1000 | sort -r | md5sum'
}

@test "with tcmalloc" {
  uninstrumented
  module=$(library libtcmalloc_minimal.so.4)
  [ -n "$module" ] || skip "no tcmalloc"
  with "$module" timeout 20 bash -c 'seq 1000 | sort -r | md5sum'
}

@test "with libfaketime" {
  uninstrumented
  module=$(library faketime/libfaketime.so.1)
  [ -n "$module" ] || skip "no libfaketime"
  export FAKETIME='2001-02-03 04:05:06'
  with "$module" timeout 20 date +%Y-%m-%d
  [ "$output" = 2001-02-03 ]
}

@test "under gdb" {
  uninstrumented
  need gdb
  run -0 timeout 60 gdb -nx -batch -iex 'set debuginfod enabled off' \
    -ex "set exec-wrapper env LD_PRELOAD=$PRELOAD_LIB" \
    -ex 'break main' -ex run -ex 'info sharedlibrary' -ex continue \
    "$top_builddir/tests/bats/calls"
  grep -q 'ptrace: Operation not permitted' <<< "$output" && skip "no tracing here"
  grep -q 'libsapi_preload\.so' <<< "$output"
  grep -q 'exited normally' <<< "$output"
}

@test "under valgrind" {
  uninstrumented
  need valgrind
  export LD_PRELOAD=$PRELOAD_LIB
  run -0 timeout 120 valgrind -v --error-exitcode=9 \
    bash -c 'seq 10 | sort -n | tail -n 1'
  unset LD_PRELOAD
  grep -q 'Reading syms from .*libsapi_preload' <<< "$output"
  grep -qx 10 <<< "$output"
}
