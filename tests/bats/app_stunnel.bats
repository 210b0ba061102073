#!/usr/bin/env bats
bats_require_minimum_version 1.5.0
load helpers

# TLS in front of an echo server: by a proxy, and by Python's own.

python=/usr/bin/python3

setup_file() { start_sapid; }
teardown_file() { stop_sapid; }
setup() {
  long
  need openssl socat "$python"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -keyout "$BATS_TEST_TMPDIR/key" -out "$BATS_TEST_TMPDIR/cert" 2> /dev/null
  chmod 600 "$BATS_TEST_TMPDIR/key"
  cat > "$BATS_TEST_TMPDIR/client.py" << 'EOF'
import concurrent.futures, random, socket, ssl, sys

# without a certificate there is no TLS
context = None
if len(sys.argv) > 2:
    context = ssl.create_default_context(cafile=sys.argv[2])
    context.check_hostname = False

def client(seed):
    rand = random.Random(seed)
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30) as tcp:
        with context.wrap_socket(tcp) if context else tcp as s:
            for i in range(20):
                data = rand.randbytes(rand.choice((1, 100, 5000, 60000)))
                s.sendall(data)
                got = b""
                while len(got) < len(data):
                    got += s.recv(len(data) - len(got)) or 1 / 0
                assert got == data

with concurrent.futures.ThreadPoolExecutor(10) as pool:
    list(pool.map(client, range(40)))
print("all right")
EOF
}
teardown() { stop_all; }

# talk HOW [CERTIFICATE]
talk() {
  as "$1" timeout 60 "$python" "$BATS_TEST_TMPDIR/client.py" "$port" "${@:2}" \
    > "$BATS_TEST_TMPDIR/out"
  grep -qx "all right" "$BATS_TEST_TMPDIR/out"
}

tunnel() {
  local behind front
  free_port
  behind=$port
  serve "$1" socat "TCP-LISTEN:$behind,bind=127.0.0.1,reuseaddr,fork" EXEC:cat
  wait_port "$behind"
  free_port
  front=$port
  cat > "$BATS_TEST_TMPDIR/server.conf" << EOF
foreground = yes
pid =
[echo]
accept = 127.0.0.1:$front
connect = 127.0.0.1:$behind
cert = $BATS_TEST_TMPDIR/cert
key = $BATS_TEST_TMPDIR/key
EOF
  serve "$1" stunnel4 "$BATS_TEST_TMPDIR/server.conf"
  wait_port "$front"
  talk "$2" "$BATS_TEST_TMPDIR/cert"
  # and one more, the other way round, so that a client needs no TLS
  free_port
  cat > "$BATS_TEST_TMPDIR/client.conf" << EOF
foreground = yes
pid =
[echo]
client = yes
accept = 127.0.0.1:$port
connect = 127.0.0.1:$front
EOF
  serve "$2" stunnel4 "$BATS_TEST_TMPDIR/client.conf"
  wait_port "$port"
  talk "$2"
}

@test "stunnel: TLS in front of an echo server" {
  need stunnel4
  each_pair tunnel
}

python_tls() {
  cat > "$BATS_TEST_TMPDIR/server.py" << 'EOF'
import asyncio, ssl, sys

async def serve(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        pass

async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]),
                                        ssl=context)
    await server.serve_forever()

asyncio.run(main())
EOF
  free_port
  serve "$1" "$python" "$BATS_TEST_TMPDIR/server.py" "$port" \
    "$BATS_TEST_TMPDIR/cert" "$BATS_TEST_TMPDIR/key"
  wait_port "$port"
  talk "$2" "$BATS_TEST_TMPDIR/cert"
}

@test "python: TLS between threads and asyncio" {
  each_pair python_tls
}

openssl_tls() {
  free_port
  # -rev answers each line reversed
  serve "$1" openssl s_server -quiet -rev -accept "127.0.0.1:$port" \
    -cert "$BATS_TEST_TMPDIR/cert" -key "$BATS_TEST_TMPDIR/key"
  wait_port "$port"
  { for i in {1..200}; do echo "line $i"; done; echo CLOSE; } |
    rev > "$BATS_TEST_TMPDIR/lines"
  rev "$BATS_TEST_TMPDIR/lines" |
    as "$2" timeout 60 openssl s_client -quiet \
      -connect "127.0.0.1:$port" > "$BATS_TEST_TMPDIR/out" 2> /dev/null || true
  grep enil "$BATS_TEST_TMPDIR/out" |
    diff - <(grep enil "$BATS_TEST_TMPDIR/lines")
}

@test "openssl: s_server and s_client" {
  each_pair openssl_tls
}
