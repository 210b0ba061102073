# SPDX-License-Identifier: Apache-2.0
"""datagrams.py - who answers datagrams, and who asks

serve PORT            answers each by itself, blocking
asyncio PORT          the same from an event loop
clients PORT N COUNT  N sockets ask COUNT times each, and check
talk PORT             asks for ever, and counts the answers
"""
import asyncio
import selectors
import socket
import sys
import time


def serve(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", port))
    while True:
        data, addr = s.recvfrom(65536)
        s.sendto(data, addr)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def by_loop(port):
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", port))
    await asyncio.sleep(3600)


def clients(port, n, count):
    sel = selectors.DefaultSelector()
    asked = {}
    for k in range(n):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setblocking(False)
        if k % 2:
            s.connect(("127.0.0.1", port))
        sel.register(s, selectors.EVENT_READ, k)
        asked[k] = 0
        ask(s, port, k, 0)
    left = n
    while left:
        events = sel.select(10)
        assert events, "no answer"
        for key, _ in events:
            k = key.data
            data, addr = key.fileobj.recvfrom(65536)
            assert addr == ("127.0.0.1", port)
            assert data == message(k, asked[k]), (data, k, asked[k])
            asked[k] += 1
            if asked[k] == count:
                left -= 1
            else:
                ask(key.fileobj, port, k, asked[k])


def message(k, i):
    return b"%d %d " % (k, i) + b"x" * (i * 7 % 1400)


def ask(s, port, k, i):
    if k % 2:
        s.send(message(k, i))
    else:
        s.sendto(message(k, i), ("127.0.0.1", port))


def talk(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    n = 0
    while True:
        for _ in range(20):
            s.sendto(message(0, n), ("127.0.0.1", port))
            data, _ = s.recvfrom(65536)
            if data != message(0, n):
                print("wrong", flush=True)
                sys.exit(1)
            n += 1
        print(n, "answers", flush=True)
        time.sleep(0.01)


what, port = sys.argv[1], int(sys.argv[2])
if what == "serve":
    serve(port)
elif what == "asyncio":
    asyncio.run(by_loop(port))
elif what == "clients":
    clients(port, int(sys.argv[3]), int(sys.argv[4]))
else:
    talk(port)
