# SPDX-License-Identifier: Apache-2.0
"""ends.py - the servers and clients of a soak that are not somebody else's

usage: ends.py echo PORT
       ends.py KIND PORT SEED STOP steady|restarted [FILE]

A client connects, exchanges, checks every byte, and connects anew, until there is
a file STOP. KIND is echo, redis, memcached or http; FILE is what http serves. A
server that is restarted may refuse, or end a connection; a steady one never. It
ends with 0 if all was right.
"""
import hashlib
import http.client
import os
import random
import socket
import sys
import threading

LIMIT_S = 30


def echo_one(s):
    with s:
        try:
            while data := s.recv(65536):
                s.sendall(data)
        except OSError:
            pass


def serve_echo(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    while True:
        s, _ = listener.accept()
        threading.Thread(target=echo_one, args=(s,), daemon=True).start()


class Ended(Exception):
    """The server ended the connection."""


class Stream:
    """A connection that is read by lines and by bytes."""

    def __init__(self, port):
        self.s = socket.create_connection(("127.0.0.1", port), LIMIT_S)
        self.f = self.s.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.f.close()
        self.s.close()

    def send(self, data):
        self.s.sendall(data)

    def want(self, data):
        got = self.f.read(len(data))
        if got != data[: len(got)]:
            raise ValueError(f"wanted {data[:60]!r}, got {got[:60]!r}")
        if len(got) < len(data):
            raise Ended


def payload(rnd):
    return rnd.randbytes(rnd.choice((1, 100, 100, 4000, 70000, 300000)))


def by_echo(stream, rnd):
    # no more than what the two directions take unread
    data = payload(rnd)[:70000]
    stream.send(data)
    stream.want(data)


# What a client leaves behind that is killed between two requests must not stay:
# the servers' memory is compared with what it was.
KEPT_S = 60


def by_redis(stream, rnd):
    key = b"key-%d-%d" % (os.getpid(), rnd.randrange(20))
    data = payload(rnd)
    stream.send(b"*5\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n"
                b"$2\r\nEX\r\n$%d\r\n%d\r\n"
                % (len(key), key, len(data), data, len(b"%d" % KEPT_S), KEPT_S))
    stream.want(b"+OK\r\n")
    stream.send(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key))
    stream.want(b"$%d\r\n%s\r\n" % (len(data), data))
    stream.send(b"*2\r\n$3\r\nDEL\r\n$%d\r\n%s\r\n" % (len(key), key))
    stream.want(b":1\r\n")


def by_memcached(stream, rnd):
    key = b"key-%d-%d" % (os.getpid(), rnd.randrange(20))
    data = payload(rnd)
    stream.send(b"set %s 0 %d %d\r\n%s\r\n" % (key, KEPT_S, len(data), data))
    stream.want(b"STORED\r\n")
    stream.send(b"get %s\r\n" % key)
    stream.want(b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(data), data))
    stream.send(b"delete %s\r\n" % key)
    stream.want(b"DELETED\r\n")


STREAMS = {"echo": by_echo, "redis": by_redis, "memcached": by_memcached}


def talk(kind, port, rnd):
    """One connection: how many exchanges it had."""
    n = rnd.choice((1, 1, 5, 50))
    with Stream(port) as stream:
        for _ in range(n):
            STREAMS[kind](stream, rnd)
    return n


def fetch(port, rnd, wanted):
    n = rnd.choice((1, 1, 5, 20))
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        for _ in range(n):
            c.request("GET", "/file")
            answer = c.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ValueError(f"status {answer.status}")
            if hashlib.sha256(body).digest() != wanted:
                raise ValueError("another file")
    except (http.client.IncompleteRead, http.client.BadStatusLine) as e:
        raise Ended from e
    finally:
        c.close()
    return n


def main(kind, port, seed, stop, how, file=None):
    rnd = random.Random(int(seed))
    wanted = file and hashlib.sha256(open(file, "rb").read()).digest()
    exchanges = connections = ended = 0
    while not os.path.exists(stop):
        try:
            connections += 1
            exchanges += (fetch(int(port), rnd, wanted) if file
                          else talk(kind, int(port), rnd))
        except (ConnectionError, Ended) as e:
            ended += 1
            if how == "steady":
                print(f"{kind}: connection {connections}: {e!r}")
                sys.exit(1)
            # as anybody would before trying again
            threading.Event().wait(0.02)
        except (ValueError, OSError) as e:
            print(f"{kind} {how}: connection {connections}: {e!r}")
            sys.exit(1)
    print(f"{kind} {how}: {exchanges} exchanges, {connections} connections,"
          f" {ended} ended by the server")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve_echo(int(sys.argv[2]))
    else:
        main(*sys.argv[1:])
