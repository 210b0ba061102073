#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two programs that tell each other what to do and say what they saw.

    both_ends.py serve ADDRESS PORT [BACKLOG]
    both_ends.py ask ADDRESS PORT SCENE...

The server does what the first line of a connection says; the client prints
one line or more for each scene. Run over the kernel it prints what is right.
"""
import ctypes
import errno
import hashlib
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

LARGE = 32 << 20


def name(e):
    return errno.errorcode.get(e.errno, str(e))


def line(s):
    """Read up to a newline, not one byte more."""
    got = b""
    while not got.endswith(b"\n"):
        byte = s.recv(1)
        if not byte:
            raise EOFError(got)
        got += byte
    return got[:-1].decode()


def until_end(s):
    digest = hashlib.sha256()
    total = 0
    while data := s.recv(65536):
        digest.update(data)
        total += len(data)
    return total, digest.hexdigest()


def large(seed):
    return random.Random(seed).randbytes(LARGE)


# --- the server's part of each scene ---


def serve_echo(s):
    while data := s.recv(100000):
        s.sendall(data)


def serve_digest(s):
    """Until the half close; the answer goes the other way."""
    total, digest = until_end(s)
    s.sendall(b"%d %s\n" % (total, digest.encode()))


def serve_large(s):
    s.sendall(large("to client"))


def serve_late(s):
    """The peer's window is full before anything is read."""
    go.wait()
    serve_digest(s)


def serve_go(s):
    go.set()


def serve_reset(s):
    s.recv(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def serve_unread(s):
    """Close with bytes unread, which is a reset."""
    select.select([s], [], [])
    time.sleep(0.2)  # for more than what is looked at


def serve_heard(s):
    """What the client's end looks like here: told by the next scene."""
    total = 0
    s.sendall(b".")  # accepted: VPP calls a reset before that an end
    try:
        while data := s.recv(65536):
            total += len(data)
        heard.append("%d end" % total)
    except OSError as e:
        heard.append("%d %s" % (total, name(e)))


def serve_told(s):
    while not heard:
        time.sleep(0.01)
    s.sendall(heard.pop().encode() + b"\n")


def serve_close_listener(s):
    """Whose connections nobody accepts."""
    address = s.getsockname()[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as listener:
        s.sendall(b"%d\n" % listener.getsockname()[1])
        line(s)
    s.sendall(b"closed\n")


heard = []
go = threading.Event()


def serve_one(s):
    with s:
        try:
            globals()["serve_" + line(s)](s)
        except (OSError, EOFError) as e:
            print("server:", e, flush=True)


def serve(address, port, backlog=64):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server(
        (address, port), family=family, backlog=int(backlog),
        dualstack_ipv6=address == "::")
    print("ready", flush=True)
    while True:
        s, _ = listener.accept()
        threading.Thread(target=serve_one, args=(s,), daemon=True).start()


# --- the client's ---


def connect(scene):
    s = socket.create_connection(where, 20)
    s.settimeout(20)
    s.sendall(scene.encode() + b"\n")
    return s


def ask_echo():
    rand = random.Random("echo")
    with connect("echo") as s:
        for _ in range(200):
            data = rand.randbytes(rand.choice((1, 64, 4096, 100000)))
            s.sendall(data)
            got = b""
            while len(got) < len(data):
                got += s.recv(len(data) - len(got))
            assert got == data
    return "200 echoes"


def ask_half_close():
    with connect("digest") as s:
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        answer = line(s)
        try:
            s.sendall(b"more")
            return answer, "may send"
        except OSError as e:
            return answer, name(e), s.recv(1)


def ask_digest():
    data = large("to server")
    with connect("digest") as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return line(s) == "%d %s" % (LARGE, hashlib.sha256(data).hexdigest())


def ask_large():
    with connect("large") as s:
        return until_end(s)


def fill(s, data):
    """Send what goes; how much it was."""
    sent = 0
    try:
        while sent < len(data):
            sent += s.send(data[sent:sent + 200000])
    except BlockingIOError:
        pass
    return sent


def ask_late():
    """Into a peer that does not read; when it does, POLLOUT must come."""
    data = large("late")
    with connect("late") as s:
        s.setblocking(False)
        poll = select.poll()
        poll.register(s, select.POLLOUT)
        sent = 0
        while poll.poll(1000):
            sent += fill(s, data[sent:])
            assert sent < len(data)
        connect("go").close()
        while sent < len(data):
            assert poll.poll(20000), "no room though all is read"
            sent += fill(s, data[sent:])
        s.settimeout(20)
        s.shutdown(socket.SHUT_WR)
        return line(s) == "%d %s" % (LARGE, hashlib.sha256(data).hexdigest())


def ask_reset():
    with connect("reset") as s:
        s.sendall(b"x")
        try:
            return s.recv(1)
        except OSError as e:
            first = name(e)
        try:
            s.sendall(b"y")
            return first, "sent"
        except OSError as e:
            return first, name(e)


def ask_unread():
    with connect("unread") as s:
        s.sendall(bytes(100000))
        try:
            while s.recv(1):
                pass
            return "end"
        except OSError as e:
            return name(e)


def connect_heard():
    s = connect("heard")
    assert s.recv(1) == b"."
    return s


def ask_abort():
    s = connect_heard()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    with connect("told") as s:
        return line(s)


def ask_leave():
    connect_heard().close()
    with connect("told") as s:
        return line(s)


def flee():
    connect_heard().sendall(bytes(300000))
    os._exit(0)


def ask_flee():
    """Who ends without a word has sent what it has sent."""
    subprocess.run([sys.executable, __file__, "flee", *map(str, where)])
    with connect("told") as s:
        return line(s)


def ask_refused():
    s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    with s:
        s.settimeout(20)
        try:
            s.connect((where[0], 1))
            return "connected"
        except OSError as e:
            return name(e)


def ask_refused_nonblock():
    s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    with s:
        s.setblocking(False)
        err = s.connect_ex((where[0], 1))
        if err == errno.EINPROGRESS:
            select.select([], [s], [], 20)
            err = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return errno.errorcode.get(err, err)


def ask_refused_again():
    """What each connect(2) says, and that a new attempt may follow."""
    s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    nobody = where[0], 1
    with s:
        seen = [outcome(s.connect, nobody), outcome(s.connect, nobody)]
        s.setblocking(False)
        for _ in range(2):
            seen.append(outcome(s.connect, nobody))
            select.select([], [s], [], 20)
        seen.append(outcome(s.connect, nobody))
        select.select([], [s], [], 20)
        seen.append(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        s.setblocking(True)
        seen += [outcome(s.connect, nobody), outcome(s.connect, where)]
        s.sendall(b"echo\nhello")
        return seen, s.recv(10)


def ask_interrupted():
    """A handler that asks for no restart ends the waiting, not the attempt."""
    s = socket.socket()
    signal.signal(signal.SIGALRM, lambda *_: alarms.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    libc = ctypes.CDLL(None, use_errno=True)
    sa = struct.pack("=H2s4s8x", socket.AF_INET, where[1].to_bytes(2, "big"),
                     socket.inet_aton(where[0]))
    ret = libc.connect(s.fileno(), sa, len(sa))
    seen = ret, errno.errorcode.get(ctypes.get_errno()), len(alarms)
    s.setblocking(False)
    return seen, outcome(s.connect, where)


alarms = []


def ask_nonblock():
    s = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET)
    with s:
        s.setblocking(False)
        err = s.connect_ex(where)
        assert err in (0, errno.EINPROGRESS), err
        assert select.select([], [s], [], 20)[1]
        err = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        s.send(b"echo\nhello")
        assert select.select([s], [], [], 20)[0]
        return err, s.recv(100), s.connect_ex(where)


def outcome(call, *args):
    try:
        return call(*args)
    except OSError as e:
        return name(e)


def ask_close_listener():
    """Connected, but never accepted; every other one has sent something."""
    with connect("close_listener") as s:
        there = where[0], int(line(s))
        socks = [socket.create_connection(there, 20) for _ in range(6)]
        for one in socks[::2]:
            one.sendall(b"hello")
        s.sendall(b"all are here\n")
        line(s)
    seen = [(outcome(one.recv, 1), outcome(one.send, b"x")) for one in socks]
    return seen, outcome(socket.create_connection, there, 20)


def ask_self():
    """Both ends in one thread: connect(2) is not to wait for accept(2)."""
    with socket.create_server((where[0], 0)) as listener:
        a = socket.create_connection(listener.getsockname(), 20)
        a.sendall(b"hello")
        b, _ = listener.accept()
        got = b.recv(10)
        b.sendall(got.upper())
        b.close()
        return got, a.recv(10), a.recv(10)


def ask_silent():
    """Nobody answers there, not even with a refusal."""
    nonblock, limited, patient = (socket.socket() for _ in range(3))
    nonblock.setblocking(False)
    timeval = struct.pack("ll", 1, 0)
    limited.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    poll = select.poll()
    poll.register(nonblock, select.POLLOUT)
    seen = [outcome(nonblock.connect, where), outcome(nonblock.connect, where),
            outcome(limited.connect, where), poll.poll(0),
            outcome(patient.connect, where)]
    seen += [event for _, event in poll.poll(20000)]
    seen.append(nonblock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    seen += [outcome(nonblock.recv, 1), outcome(nonblock.send, b"x")]
    return seen


def ask_names():
    with connect("echo") as s:
        return s.getpeername()[:2] == where, s.getsockname()[0] == where[0]


def crowd(size):
    """So many at once, each with something to say, twice."""
    socks = [connect("echo") for _ in range(size)]
    told = 0
    for word in "first", "again":
        for i, s in enumerate(socks):
            s.sendall(b"%s %d\n" % (word.encode(), i))
        for i, s in enumerate(socks):
            told += line(s) == "%s %d" % (word, i)
    for s in socks:
        s.close()
    return told


def ask_many():
    return crowd(100)


def ask_crowd():
    return crowd(1000)


if __name__ == "__main__":
    where = (sys.argv[2], int(sys.argv[3]))
    if sys.argv[1] == "serve":
        serve(*where, *sys.argv[4:])
    if sys.argv[1] == "flee":
        flee()
    for scene in sys.argv[4:]:
        print(scene, globals()["ask_" + scene](), flush=True)
