# SPDX-License-Identifier: Apache-2.0
# handover.py - a server that hands its connections to other programs, and a
# client that sees nothing of it
#
# usage: handover.py server PORT
#        handover.py client PORT WAY...
#
# The client says which way; then some lines go back and forth, so that the
# connection leaves the kernel; then the server hands it to a program that sends
# back what it gets: with bytes on the way, that the server has not read.
import hashlib, os, random, socket, subprocess, sys, threading

ROUNDS = 12
SIZE = 1 << 20


def plain_env():
    return {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}


def popen(conn, env):
    subprocess.Popen(["cat"], stdin=conn, stdout=conn, env=env)


def spawn(conn, env):
    fd = conn.fileno()
    actions = [(os.POSIX_SPAWN_DUP2, fd, 0), (os.POSIX_SPAWN_DUP2, fd, 1)]
    os.posix_spawnp("cat", ["cat"], env or os.environ, file_actions=actions)


def fork_exec(conn, env):
    if not os.fork():
        os.dup2(conn.fileno(), 0)
        os.dup2(conn.fileno(), 1)
        os.execvpe("cat", ["cat"], env or os.environ)


def cgi(conn, env):
    # a shell reads the first bytes, another program the rest
    subprocess.Popen("dd bs=1 count=7 2> /dev/null; cat", shell=True,
                     stdin=conn, stdout=conn, env=env)


def rights(conn, env):
    ours, theirs = socket.socketpair()
    code = ("import socket, shutil; s = socket.socket(fileno=0)\n"
            "fd = socket.recv_fds(s, 1, 1)[1][0]\n"
            "with open(fd, 'rb', 0) as i, open(fd, 'wb', 0, closefd=False) as o:\n"
            "    shutil.copyfileobj(i, o)\n")
    subprocess.Popen([sys.executable, "-c", code], stdin=theirs, env=env)
    socket.send_fds(ours, [b"x"], [conn.fileno()])


def helper(conn, env):
    # inherits it by accident, and never touches it
    os.set_inheritable(conn.fileno(), True)
    os.system("true")
    subprocess.run(["true"], close_fds=False, env=env, check=True)
    with conn:
        while data := conn.recv(65536):
            conn.sendall(data)


WAYS = {f.__name__: f for f in (popen, spawn, fork_exec, cgi, rights, helper)}


def read_line(conn):
    # what is behind it is not ours to read
    line = b""
    while not line.endswith(b"\n"):
        byte = conn.recv(1)
        if not byte:
            return line
        line += byte
    return line


def serve_one(conn):
    with conn:
        way, plain = read_line(conn).split()
        for _ in range(ROUNDS):
            conn.sendall(read_line(conn))
        read_line(conn)
        WAYS[way.decode()](conn, plain_env() if plain == b"plain" else None)


def server(port):
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=serve_one, args=(conn,)).start()


def client(port, way, plain):
    with socket.create_connection(("127.0.0.1", port), 30) as conn:
        conn.sendall(b"%s %s\n" % (way.encode(), plain.encode()))
        for i in range(ROUNDS):
            conn.sendall(b"line %d\n" % i)
            assert read_line(conn) == b"line %d\n" % i
        data = random.randbytes(random.choice((100, 5000, SIZE)))
        conn.sendall(b"go\n" + data[:4000])

        def rest():
            conn.sendall(data[4000:])
            conn.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=rest)
        sender.start()
        got = b""
        while more := conn.recv(65536):
            got += more
        sender.join()
        assert got == data, (way, plain, len(got), len(data))


if sys.argv[1] == "server":
    server(int(sys.argv[2]))
for name in sys.argv[3:]:
    for kind in ("preloaded", "plain"):
        for _ in range(5):
            client(int(sys.argv[2]), name, kind)
print("all right")
