#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

python=/usr/bin/python3

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() { need memcached "$python"; }
teardown() { stop_all; }

set_and_get() {
  local user=()
  [ "$(id -u)" != 0 ] || user=(-u root)
  free_port
  serve "$1" memcached -l 127.0.0.1 -p "$port" -U 0 -t 4 "${user[@]}"
  wait_port "$port"
  as "$2" timeout 60 "$python" - "$port" > "$BATS_TEST_TMPDIR/out" << 'END'
import random, socket, sys

seed = random.randrange(1 << 32)
print("seed", seed)
random.seed(seed)
clients = []
for i in range(20):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
    clients.append(s.makefile("rwb", buffering=0))
wanted = {}
for i in range(500):
    f = clients[i % len(clients)]
    key = b"key-%d" % i
    value = random.randbytes(random.choice((1, 100, 5000, 500000)) if i < 40
                             else 100)
    wanted[key] = value
    data = b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value)
    while data:
        data = data[f.write(data):]
    assert f.readline() == b"STORED\r\n"
for i, (key, value) in enumerate(wanted.items()):
    f = clients[-i % len(clients)]
    f.write(b"get %s\r\n" % key)
    assert f.readline() == b"VALUE %s 0 %d\r\n" % (key, len(value))
    got = b""
    while len(got) < len(value) + 7:
        got += f.read(len(value) + 7 - len(got))
    assert got == value + b"\r\nEND\r\n"
print("all right")
END
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

@test "memcached: twenty clients set and get" {
  each_pair set_and_get
}
