# SPDX-License-Identifier: Apache-2.0
"""udp_ends.py - two ends of UDP, and what the one that asks sees

echo ADDRESS PORT          answers each datagram by itself, to its sender
ask ADDRESS PORT SCENE...  is connected, and prints what it saw
to ADDRESS PORT SCENE...   is not connected

Run over the kernel it prints what is right.
"""
import errno
import fcntl
import random
import select
import socket
import struct
import sys
import termios
import time

BIG = 1400  # what any wire takes as one


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def name(e):
    return errno.errorcode.get(e.errno, str(e))


def echo(address, port):
    s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.bind((address, port))
    print("ready", flush=True)
    while True:
        data, addr = s.recvfrom(65536)
        if data == b"close":
            break
        # "N bytes": so many at once, and numbered
        if data.startswith(b"burst "):
            for i in range(int(data.split()[1])):
                s.sendto(message(i), addr)
        elif data == b"empty":
            s.sendto(b"", addr)
        else:
            s.sendto(data, addr)


def message(i):
    return b"%d " % i + random.Random(i).randbytes(i * 7 % BIG)


class Asks:
    """Sends and receives, connected or not."""

    def __init__(self, address, port, connected):
        self.s = socket.socket(family(address), socket.SOCK_DGRAM)
        self.at = (address, port)
        self.connected = connected
        if connected:
            self.s.connect(self.at)
        self.s.settimeout(10)

    def send(self, data, flags=0):
        if self.connected:
            return self.s.send(data, flags)
        return self.s.sendto(data, flags, self.at)


def scene_echo(a):
    """All lengths, one after the other."""
    for i in range(300):
        a.send(message(i))
        got, addr = a.s.recvfrom(65536)
        assert got == message(i), (i, len(got))
        assert addr[:2] == a.at, addr
    print("echo", i + 1)


def scene_order(a):
    """Several on their way at once."""
    for i in range(0, 400, 8):
        for k in range(i, i + 8):
            a.send(message(k))
        for k in range(i, i + 8):
            assert a.s.recv(65536) == message(k), k
    print("order", k + 1)


def scene_cut(a):
    """What does not fit is gone, and a look takes nothing."""
    s = a.s
    a.send(b"x" * 1000)
    print("peek", len(s.recv(10, socket.MSG_PEEK)))
    print("peek all", len(s.recv(10, socket.MSG_PEEK | socket.MSG_TRUNC) and
                          s.recv(2000, socket.MSG_PEEK)))
    n = fcntl.ioctl(s, termios.FIONREAD, b"\0\0\0\0")
    print("next", struct.unpack("i", n)[0])
    data, _, flags, addr = s.recvmsg(10)
    print("cut", len(data), flags == socket.MSG_TRUNC, addr[:2] == a.at)
    a.send(b"second")
    data, _, flags, _ = s.recvmsg(6)
    print("whole", data, flags)
    a.send(b"in pieces")
    one, two = bytearray(3), bytearray(100)
    n, _, flags, _ = s.recvmsg_into([one, two])
    print("pieces", n, flags, bytes(one + two[:6]))
    s.sendmsg([b"a", b"", b"bc"], [], 0, *([] if a.connected else [a.at]))
    print("gathered", s.recv(100))


def scene_wait(a):
    """Nothing comes."""
    s = a.s
    s.settimeout(None)
    for what, arm in (("flag", None), ("nonblock", 0), ("timeout", 0.05)):
        try:
            if arm is not None:
                s.settimeout(arm)
            print(s.recv(10, 0 if arm is not None else socket.MSG_DONTWAIT))
        except socket.timeout:
            print(what, "timeout")
        except OSError as e:
            print(what, name(e))
    s.settimeout(None)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
                 struct.pack("ll", 0, 50000))
    start = time.monotonic()
    try:
        print(s.recv(10))
    except OSError as e:
        print("SO_RCVTIMEO", name(e), time.monotonic() - start >= 0.04)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))


def ready(s, how, timeout=0):
    p = select.poll()
    p.register(s, how)
    return [r for _, r in p.poll(timeout)]


def scene_poll(a):
    s = a.s
    print("idle", ready(s, select.POLLIN), ready(s, select.POLLIN | select.POLLOUT))
    print("select", [len(x) for x in select.select([s], [s], [s], 0)])
    a.send(b"one")
    print("comes", ready(s, select.POLLIN, 10000))
    print("select", [len(x) for x in select.select([s], [], [], 10)])
    print("both", ready(s, select.POLLIN | select.POLLOUT))
    s.recv(10)
    print("gone", ready(s, select.POLLIN, 20))


def scene_epoll(a):
    """Level, and by edges: one for each that comes."""
    s = a.s
    level, edge, late = select.epoll(), select.epoll(), select.epoll()
    level.register(s, select.EPOLLIN)
    edge.register(s, select.EPOLLIN | select.EPOLLET)
    print("idle", level.poll(0), edge.poll(0))
    a.send(b"one")
    print("one", [e for _, e in level.poll(10)], [e for _, e in edge.poll(10)])
    print("still", [e for _, e in level.poll(0)], [e for _, e in edge.poll(0)])
    a.send(b"two")
    print("two", [e for _, e in edge.poll(10)])
    print(s.recv(10), s.recv(10))
    print("none", level.poll(0.02), edge.poll(0))
    late.register(s, select.EPOLLIN | select.EPOLLOUT | select.EPOLLONESHOT)
    print("once", [e for _, e in late.poll(10)], late.poll(0))
    a.send(b"three")
    print("waits", [e for _, e in level.poll(10)])
    s.recv(10)
    level.close()
    edge.close()
    late.close()


def scene_names(a):
    s = a.s
    a.send(b"x")
    s.recv(1)
    me = s.getsockname()
    if a.connected:
        print("peer", s.getpeername()[:2] == a.at)
        print("me", me[1] > 0, me[0] not in ("0.0.0.0", "::"))
    else:
        try:
            print(s.getpeername())
        except OSError as e:
            print("peer", name(e))


def scene_shutdown(a):
    s = a.s
    a.send(b"one")
    print("comes", ready(s, select.POLLIN, 10000))
    s.shutdown(socket.SHUT_RD)
    print("first", s.recv(10))
    s.settimeout(None)
    print("then", s.recv(10))
    print("poll", ready(s, select.POLLIN | select.POLLRDHUP))
    s.shutdown(socket.SHUT_WR)
    try:
        print(a.send(b"two"))
    except OSError as e:
        print("send", name(e))
    print("poll", ready(s, select.POLLIN | select.POLLRDHUP))


def scene_again(a):
    """Connected to nothing, and anew."""
    s = a.s
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    print("nothing", libc.connect(s.fileno(), bytes(16), 16))
    try:
        print(s.getpeername())
    except OSError as e:
        print("peer", name(e))
    try:
        print(s.send(b"x"))
    except OSError as e:
        print("send", name(e))
    for i in range(3):
        s.connect(a.at)
        s.send(b"again %d" % i)
        print(s.recv(20), s.getpeername()[:2] == a.at)


def scene_large(a):
    """More than UDP has a length for."""
    for n in (65508 if family(a.at[0]) == socket.AF_INET else 65528, 100000):
        try:
            print(a.send(bytes(n)))
        except OSError as e:
            print("large", name(e))


def scene_empty(a):
    a.send(b"empty")
    data, addr = a.s.recvfrom(10)
    print("empty", data, addr[:2] == a.at)


def scene_burst(a):
    """Many come while nobody reads."""
    a.send(b"burst 100")
    a.s.recv(65536, socket.MSG_PEEK)
    for i in range(100):
        assert a.s.recv(65536) == message(i), i
    print("burst", i + 1)


def scene_dup(a):
    t = a.s.dup()
    a.s.close()
    a.s = t
    t.settimeout(10)
    a.send(b"by a copy")
    print(t.recv(100))


def scene_many(a):
    """sendmmsg(2) and recvmmsg(2)"""
    ctypes = __import__("ctypes")
    libc = ctypes.CDLL(None, use_errno=True)

    class Iovec(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]

    class Mmsghdr(ctypes.Structure):
        _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32),
                    ("iov", ctypes.c_void_p), ("iovlen", ctypes.c_size_t),
                    ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                    ("flags", ctypes.c_int), ("pad", ctypes.c_int),
                    ("len", ctypes.c_uint)]

    n = 5
    bufs = [ctypes.create_string_buffer(b"number %d" % i, 100) for i in range(n)]
    iovs = (Iovec * n)()
    msgs = (Mmsghdr * n)()
    for i in range(n):
        iovs[i].base = ctypes.addressof(bufs[i])
        iovs[i].len = 8
        msgs[i].iov = ctypes.addressof(iovs[i])
        msgs[i].iovlen = 1
    print("sent", libc.sendmmsg(a.s.fileno(), msgs, n, 0))
    got = []
    a.s.settimeout(None)
    while len(got) < n:
        for i in range(n):
            iovs[i].len = 100
        k = libc.recvmmsg(a.s.fileno(), msgs, n, 0x10000, None)
        assert k > 0, k
        got += [bufs[i].raw[:msgs[i].len] for i in range(k)]
    print(got)


what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what == "echo":
    echo(address, port)
else:
    for scene in sys.argv[4:]:
        asks = Asks(address, port, what == "ask")
        globals()["scene_" + scene](asks)
        asks.s.close()
