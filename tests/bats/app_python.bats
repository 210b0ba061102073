#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# not a wrapper script of a version manager
python=/usr/bin/python3

setup_file() {
  start_sapid
  mkdir "$BATS_FILE_TMPDIR/root"
  blob 16 "$BATS_FILE_TMPDIR/root/blob" > "$BATS_FILE_TMPDIR/hash"
}
teardown_file() { stop_sapid; }
setup() { need "$python"; }
teardown() { stop_all; }

http_server() {
  free_port
  serve "$1" "$python" -m http.server "$port" --bind 127.0.0.1 \
    --directory "$BATS_FILE_TMPDIR/root"
  wait_port "$port"
  as "$2" timeout 60 "$python" - "http://127.0.0.1:$port/blob" \
    > "$BATS_TEST_TMPDIR/out" << 'END'
import hashlib, sys, urllib.request
for i in range(5):
    with urllib.request.urlopen(sys.argv[1]) as answer:
        print(hashlib.sha256(answer.read()).hexdigest())
END
  [ "$(sort "$BATS_TEST_TMPDIR/out" | uniq -c | tr -s ' ')" = \
    " 5 $(cat "$BATS_FILE_TMPDIR/hash")" ]
}

@test "python: http.server and urllib" {
  each_pair http_server
}

asyncio_echo() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'END'
import asyncio, sys

async def serve(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
END
  cat > "$BATS_TEST_TMPDIR/client.py" << 'END'
import asyncio, random, sys

seed = random.randrange(1 << 32)
print("seed", seed)
random.seed(seed)

async def client():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    for i in range(20):
        data = random.randbytes(random.choice((1, 64, 4096, 100000)))
        writer.write(data)
        await writer.drain()
        assert await reader.readexactly(len(data)) == data
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()

async def main():
    await asyncio.gather(*(client() for i in range(50)))

asyncio.run(main())
print("all right")
END
  free_port
  serve "$1" "$python" "$BATS_TEST_TMPDIR/server.py" "$port"
  wait_port "$port"
  as "$2" timeout 60 "$python" "$BATS_TEST_TMPDIR/client.py" "$port" \
    > "$BATS_TEST_TMPDIR/out"
  cat "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

@test "python: fifty clients of an asyncio echo server" {
  each_pair_and_way asyncio_echo
}

threads_echo() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'END'
import socketserver, sys

class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

with Server(("127.0.0.1", int(sys.argv[1])), Echo) as server:
    server.serve_forever()
END
  cat > "$BATS_TEST_TMPDIR/client.py" << 'END'
import concurrent.futures, socket, sys

def client(number):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as s:
        f = s.makefile("rwb", buffering=0)
        for i in range(100):
            f.write(b"line %d of %d\n" % (i, number))
            assert f.readline() == b"LINE %d OF %d\n" % (i, number)

with concurrent.futures.ThreadPoolExecutor(16) as pool:
    list(pool.map(client, range(64)))
print("all right")
END
  free_port
  serve "$1" "$python" "$BATS_TEST_TMPDIR/server.py" "$port"
  wait_port "$port"
  as "$2" timeout 60 "$python" "$BATS_TEST_TMPDIR/client.py" "$port" \
    > "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

@test "python: a thread for each connection, with time-outs set" {
  each_pair threads_echo
}
