# SPDX-License-Identifier: Apache-2.0
"""unread.py - a server that does one thing at a time, when it is told

usage: unread.py serve PORT STEPS
       unread.py talk PORT
       unread.py hold PID

The server takes one connection and then a line of the pipe STEPS for each step:
echo, one exchange, or close. In between it makes no call of a socket. The client
exchanges bytes till the connection ends. Who holds has copies of the server's
descriptors till it is killed, so that the kernel keeps the connection.
"""
import ctypes
import os
import signal
import socket
import sys

SYS_PIDFD_GETFD = 438


def serve(port, steps):
    listener = socket.create_server(("127.0.0.1", port))
    s, _ = listener.accept()
    for line in steps:
        if line == "echo\n":
            s.sendall(s.recv(1))
        else:
            s.close()
        print("done", flush=True)


def talk(port):
    with socket.create_connection(("127.0.0.1", port)) as s:
        while True:
            s.sendall(b"x")
            if not s.recv(1):
                break


def hold(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
            if libc.syscall(SYS_PIDFD_GETFD, pidfd, int(fd), 0) < 0:
                sys.exit(os.strerror(ctypes.get_errno()))
    print("held", flush=True)
    signal.pause()


if sys.argv[1] == "hold":
    hold(int(sys.argv[2]))
elif sys.argv[1] == "serve":
    serve(int(sys.argv[2]), open(sys.argv[3]))
else:
    talk(int(sys.argv[2]))
