#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# Echo servers and clients in Perl and Ruby; what Python's libraries do with
# connections beside http and asyncio.

python=/usr/bin/python3

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() { long; }
teardown() { stop_all; }

# echoed HOW HOW SERVER... -- CLIENT...: each gets the port for its last word
echoed() {
  local how=$2 server=()
  free_port
  local first=$1
  shift 2
  while [ "$1" != -- ]; do
    server+=("$1")
    shift
  done
  shift
  serve "$first" "${server[@]}" "$port"
  wait_port "$port"
  as "$how" timeout 60 "$@" "$port" > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

perl_pair() {
  cat > "$BATS_TEST_TMPDIR/server.pl" << 'EOF'
use strict;
use warnings;
use IO::Socket::INET;
# a child for each connection
$SIG{CHLD} = 'IGNORE';
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
  LocalPort => $ARGV[0], Listen => 64, ReuseAddr => 1) or die "listen: $!";
while (1) {
  my $s = $listener->accept or next;
  my $child = fork;
  if (!$child) {
    close $listener;
    while (defined(my $line = <$s>)) {
      print $s scalar reverse($line) =~ s/^\n//r, "\n";
      $s->flush;
    }
    exit 0;
  }
  close $s;
}
EOF
  cat > "$BATS_TEST_TMPDIR/client.pl" << 'EOF'
use strict;
use warnings;
use IO::Socket::INET;
use IO::Select;
# ten at once, by select
my ($select, %sent, %left) = IO::Select->new;
for my $i (1 .. 10) {
  my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ARGV[0])
    or die "connect: $!";
  $select->add($s);
  $left{$s} = 200;
  $sent{$s} = "first of $i";
  syswrite $s, "$sent{$s}\n";
}
my $done = 0;
while ($select->count) {
  my @ready = $select->can_read(30) or die "nothing comes";
  for my $s (@ready) {
    my $got = '';
    while ($got !~ /\n/) {
      sysread($s, $got, 65536, length $got) or die "closed";
    }
    chomp $got;
    $got eq reverse $sent{$s} or die "other data: $got";
    if (--$left{$s} == 0) {
      shutdown $s, 1;
      sysread($s, $got, 1) == 0 or die "not the end";
      $select->remove($s);
      close $s;
      $done++;
      next;
    }
    $sent{$s} = "line $left{$s} " . 'x' x (rand(9000));
    syswrite $s, "$sent{$s}\n";
  }
}
print "all right\n" if $done == 10;
EOF
  echoed "$1" "$2" perl "$BATS_TEST_TMPDIR/server.pl" -- \
    perl "$BATS_TEST_TMPDIR/client.pl"
}

@test "perl: a child for each connection, ten clients by select" {
  need perl
  each_pair perl_pair
}

ruby_pair() {
  cat > "$BATS_TEST_TMPDIR/server.rb" << 'EOF'
require 'socket'
TCPServer.open('127.0.0.1', ARGV[0].to_i) do |listener|
  loop do
    Thread.start(listener.accept) do |s|
      while (line = s.gets)
        s.puts line.chomp.reverse
      end
      s.close
    end
  end
end
EOF
  cat > "$BATS_TEST_TMPDIR/client.rb" << 'EOF'
require 'socket'
threads = (1..16).map do |n|
  Thread.new do
    TCPSocket.open('127.0.0.1', ARGV[0].to_i) do |s|
      200.times do |i|
        line = "line #{i} of #{n} " + 'x' * rand(9000)
        s.puts line
        raise 'other data' unless s.gets.chomp == line.reverse
      end
      s.close_write
      raise 'not the end' unless s.gets.nil?
    end
  end
end
threads.each(&:join)
puts 'all right'
EOF
  echoed "$1" "$2" ruby "$BATS_TEST_TMPDIR/server.rb" -- \
    ruby "$BATS_TEST_TMPDIR/client.rb"
}

@test "ruby: a thread for each connection, sixteen clients" {
  need ruby
  each_pair ruby_pair
}

# a manager's objects, used by processes that it forks and by others
python_manager() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'EOF'
import queue, sys
from multiprocessing.managers import BaseManager

todo, done = queue.Queue(), queue.Queue()

class Manager(BaseManager):
    pass

Manager.register("todo", callable=lambda: todo)
Manager.register("done", callable=lambda: done)
Manager(("127.0.0.1", int(sys.argv[1])), b"key").get_server().serve_forever()
EOF
  cat > "$BATS_TEST_TMPDIR/client.py" << 'EOF'
import hashlib, multiprocessing, os, sys
from multiprocessing.managers import BaseManager

class Manager(BaseManager):
    pass

Manager.register("todo")
Manager.register("done")

def manager():
    m = Manager(("127.0.0.1", int(sys.argv[1])), b"key")
    m.connect()
    return m

def work():
    m = manager()
    todo, done = m.todo(), m.done()
    while (data := todo.get(timeout=30)) is not None:
        done.put((hashlib.sha256(data).digest(), data))

workers = [multiprocessing.get_context("fork").Process(target=work)
           for i in range(4)]
for w in workers:
    w.start()
m = manager()
todo, done = m.todo(), m.done()
wanted = {}
for i in range(200):
    data = os.urandom((1, 100, 5000, 300000)[i % 4])
    wanted[hashlib.sha256(data).digest()] = data
    todo.put(data)
for w in workers:
    todo.put(None)
for i in range(200):
    digest, data = done.get(timeout=30)
    assert hashlib.sha256(data).digest() == digest and data == wanted[digest]
for w in workers:
    w.join(30)
    assert w.exitcode == 0
print("all right")
EOF
  echoed "$1" "$2" "$python" "$BATS_TEST_TMPDIR/server.py" -- \
    "$python" "$BATS_TEST_TMPDIR/client.py"
}

@test "python: four processes work off the queue of a manager" {
  need "$python"
  each_pair python_manager
}

# The connection is a child's standard input and output; and one process hands
# it to another.
python_handed() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'EOF'
import multiprocessing, socket, subprocess, sys

def serve(queue):
    while True:
        s = queue.get()
        with s:
            while data := s.recv(65536):
                s.sendall(data)
            # who gave it to us may have it still
            s.shutdown(socket.SHUT_WR)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    for i in range(4):
        context.Process(target=serve, args=(queue,), daemon=True).start()
    listener = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=64)
    children = []
    while True:
        s, _ = listener.accept()
        how = s.recv(1)
        if how == b"q":
            queue.put(s)
        else:
            children.append(subprocess.Popen(["cat"], stdin=s, stdout=s))
            s.close()
EOF
  cat > "$BATS_TEST_TMPDIR/client.py" << 'EOF'
import os, socket, sys

for i in range(40):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as s:
        s.sendall(b"qc"[i % 2:i % 2 + 1])
        for j in range(20):
            data = os.urandom((1, 100, 5000, 50000)[j % 4])
            s.sendall(data)
            got = b""
            while len(got) < len(data):
                more = s.recv(len(data) - len(got))
                assert more
                got += more
            assert got == data
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
print("all right")
EOF
  for start in fork spawn; do
    echoed "$1" "$2" "$python" "$BATS_TEST_TMPDIR/server.py" "$start" -- \
      "$python" "$BATS_TEST_TMPDIR/client.py"
    stop_all
  done
}

@test "python: connections handed to other processes, by messages and by exec" {
  need "$python"
  each_pair python_handed
}
