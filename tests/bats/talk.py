# SPDX-License-Identifier: Apache-2.0
"""talk.py - two ends that know whom they talk to, and check every byte

talk.py serve ADDRESS PORT NAME   accepts, one connection after the other
talk.py talk ADDRESS PORT NAME    to a server of that name; keeps the connection

Each says "ready" when it listens, or has talked. A server answers a message
with its own name and the message turned around; so whoever gets a stream that
was meant for somebody else finds the wrong name, or bytes that it never sent.
"""
import os
import random
import socket
import struct
import sys
import time

HEAD = struct.Struct("!8sI")
ROUNDS = 100


def take(sock, size):
    data = bytearray()
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def send(sock, name, data):
    sock.sendall(HEAD.pack(name, len(data)) + data)


def receive(sock):
    name, size = HEAD.unpack(take(sock, HEAD.size))
    return name.rstrip(b"\0"), take(sock, size)


def serve(sock, name):
    while True:
        peer, data = receive(sock)
        assert peer == name, (peer, name)
        send(sock, name, data[::-1])


def talk(sock, name):
    for i in range(ROUNDS):
        data = random.randbytes(1 << 20 if i % 50 == 49 else random.randrange(5000))
        send(sock, name, data)
        peer, answer = receive(sock)
        assert peer == name, (peer, name)
        assert answer == data[::-1], "other bytes"
        time.sleep(0.001)


def main():
    what, address, port, name = sys.argv[1:]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    if what == "talk":
        sock.connect((address, int(port)))
        talk(sock, name.encode())
        os.write(1, b"ready\n")
        time.sleep(1000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((address, int(port)))
    sock.listen()
    os.write(1, b"ready\n")
    while True:
        try:
            serve(sock.accept()[0], name.encode())
        except (EOFError, ConnectionResetError):
            pass


main()
