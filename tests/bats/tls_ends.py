#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two programs that check each other's bytes, each by TLS of its own or without.

    tls_ends.py serve plain|tls ADDRESS PORT
    tls_ends.py ask plain|tls ADDRESS PORT SCENE...
    tls_ends.py watch INTERFACE WORD...

Without is for who has VPP's TLS below it. A program that speaks TLS finds its
files in $TLS_DIR: server.pem, server.key, ca.pem; with $TLS_CLIENT it shows
$TLS_CLIENT.pem. watch says which of the words went by in clear on an interface
until its input ends, and whether there was TLS.
"""
import errno
import hashlib
import os
import random
import select
import socket
import ssl
import sys
import threading
import time

MEGABYTES = 8
tls_dir = os.environ.get("TLS_DIR", "")


def name(e):
    return errno.errorcode.get(e.errno, type(e).__name__)


def blob(seed):
    return random.Random(seed).randbytes(MEGABYTES << 20)


def sha(data):
    return hashlib.sha256(data).hexdigest().encode()


def exactly(s, n):
    got = bytearray()
    while len(got) < n:
        data = s.recv(min(n - len(got), 65536))
        if not data:
            raise EOFError("%d of %d bytes" % (len(got), n))
        got += data
    return bytes(got)


def until_end(s):
    got = bytearray()
    while data := s.recv(65536):
        got += data
    return bytes(got)


def line(s):
    got = b""
    while not got.endswith(b"\n"):
        got += exactly(s, 1)
    return got[:-1].decode()


# --- the server's part ---


def serve_echo(s):
    while data := s.recv(100000):
        s.sendall(data)


def serve_digest(s):
    """So many bytes, and then the answer."""
    data = exactly(s, MEGABYTES << 20)
    s.sendall(sha(data) + b"\n")


def serve_large(s):
    """Bytes, and then the end: close() must not lose any. VPP's TLS loses them
    if the end comes early: who speaks TLS himself waits for the client's."""
    s.sendall(blob("large"))
    if isinstance(s, ssl.SSLSocket):
        until_end(s)


def serve_word(s):
    s.sendall(b"the word is " + line(s).encode() + b"\n")


def serve_late(s):
    time.sleep(3)
    serve_digest(s)


def serve_closes(s):
    """The end of the answer is told at once, and what the client says to it
    is waited for."""
    s.sendall(b"bye")
    s.shutdown(socket.SHUT_WR)
    heard.append(until_end(s))


def serve_heard(s):
    while not heard:
        time.sleep(0.01)
    s.sendall(heard.pop() + b"\n")


heard = []


def say_end(s):
    """By TLS, and then by TCP: the peer's answer is not waited for."""
    s.setblocking(False)
    try:
        s.unwrap()
    except ssl.SSLError:
        pass


def serve_one(s, context):
    try:
        if context:
            s = context.wrap_socket(s, server_side=True,
                                    suppress_ragged_eofs=False)
        with s:
            globals()["serve_" + line(s)](s)
            if context:
                say_end(s)
    except (OSError, EOFError, ValueError) as e:
        print("server:", type(e).__name__, e, flush=True)


def server_context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(tls_dir + "/server.pem", tls_dir + "/server.key")
    return c


def serve(how, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, int(port)), family=family,
                                    backlog=128, dualstack_ipv6=address == "::")
    context = server_context() if how == "tls" else None
    print("ready", flush=True)
    while True:
        s, peer = listener.accept()
        print("accepted", peer[0], flush=True)
        threading.Thread(target=serve_one, args=(s, context),
                         daemon=True).start()


# --- the client's ---


def client_context():
    c = ssl.create_default_context(cafile=tls_dir + "/ca.pem")
    client = os.environ.get("TLS_CLIENT")
    if client:
        c.load_cert_chain(tls_dir + "/%s.pem" % client,
                          tls_dir + "/%s.key" % client)
    return c


def connect(scene):
    s = socket.create_connection(where, 30)
    if context:
        s = context.wrap_socket(s, server_hostname=where[0],
                                suppress_ragged_eofs=False)
    s.settimeout(60)
    s.sendall(scene.encode() + b"\n")
    return s


def ask_echo():
    rand = random.Random("echo")
    with connect("echo") as s:
        for _ in range(200):
            data = rand.randbytes(rand.choice((1, 64, 4096, 30000)))
            s.sendall(data)
            assert exactly(s, len(data)) == data
    return "200 echoes"


def ask_digest():
    data = blob("digest")
    with connect("digest") as s:
        s.sendall(data)
        return line(s).encode() == sha(data)


def ask_large():
    want = blob("large")
    with connect("large") as s:
        got = until_end(s) if context else exactly(s, len(want))
        return sha(got) == sha(want)


def ask_half():
    """A half close, and an answer that does not wait for it."""
    with connect("word") as s:
        s.sendall(b"hello\n")
        s.shutdown(socket.SHUT_WR)
        try:
            s.sendall(b"more")
        except OSError as e:
            return line(s), s.recv(1), name(e)


def ask_closes():
    with connect("closes") as s:
        got = until_end(s)
    with connect("heard") as s:
        return got, line(s)


def ask_word():
    with connect("word") as s:
        s.sendall(os.environ["WORD"].encode() + b"\n")
        return line(s)


def ask_late():
    """Into a peer that does not read for seconds."""
    data = blob("late")
    with connect("late") as s:
        s.setblocking(False)
        sent = 0
        stopped = False
        while sent < len(data):
            if not select.select([], [s], [], 1)[1]:
                stopped = True
                continue
            try:
                sent += s.send(data[sent:sent + 200000])
            except BlockingIOError:
                pass
        s.settimeout(60)
        return line(s).encode() == sha(data), stopped


def ask_many():
    socks = [connect("echo") for _ in range(50)]
    told = 0
    for word in b"first", b"again":
        for i, s in enumerate(socks):
            s.sendall(b"%s %d\n" % (word, i))
        for i, s in enumerate(socks):
            told += line(s).encode() == b"%s %d" % (word, i)
    for s in socks:
        s.close()
    return told


def ask_connect():
    """How connecting comes out, and the first byte after it."""
    try:
        s = socket.create_connection(where, 20)
    except OSError as e:
        return name(e)
    try:
        s.settimeout(20)
        s.sendall(b"word\nhello\n")
        return "connected", line(s)
    except (OSError, EOFError) as e:
        return "connected", type(e).__name__


def ask_block():
    """With no time-out of Python's, which makes it non-blocking."""
    with socket.socket() as s:
        try:
            s.connect(where)
            return "connected"
        except OSError as e:
            return name(e)


def ask_nonblock():
    s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    with s:
        s.setblocking(False)
        err = s.connect_ex(where)
        if err == errno.EINPROGRESS:
            assert select.select([], [s], [], 20)[1], "nothing happens"
            err = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode.get(err, err)


def ask_names():
    with connect("echo") as s:
        return s.getpeername()[:2] == where, s.getsockname()[0]


# --- who watches ---


def watch(interface, *words):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind((interface, 0))
    print("ready", flush=True)
    seen = dict.fromkeys(words, 0)
    hello = 0
    while True:
        ready = select.select([s, sys.stdin], [], [])[0]
        if s in ready:
            packet = s.recv(65536)
            for word in words:
                seen[word] += word.encode() in packet
            # a handshake's record, TLS 1.0 to 1.2 by its name
            hello += any(b"\x16\x03" + v in packet for v in (b"\1", b"\3"))
        elif sys.stdin in ready:
            break
    for word in words:
        print(word, "seen" if seen[word] else "not seen")
    print("TLS", "seen" if hello else "not seen")


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(*sys.argv[2:])
        sys.exit()
    if sys.argv[1] == "serve":
        serve(*sys.argv[2:])
    where = (sys.argv[3], int(sys.argv[4]))
    context = client_context() if sys.argv[2] == "tls" else None
    for scene in sys.argv[5:]:
        print(scene, globals()["ask_" + scene](), flush=True)
