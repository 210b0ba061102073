# SPDX-License-Identifier: Apache-2.0
# passing.py - descriptors among bytes, in order, by a Unix socket
#
# serve PATH: echo messages; for each descriptor that came, send one back, of a
# file with the same content.
# dial PATH: talk until it is worth a link, then pass some, then talk on.
import array
import os
import socket
import struct
import sys

ROUNDS = 200


def recv_exactly(s, n, fds):
    data = b""
    while len(data) < n:
        some, got, _, _ = socket.recv_fds(s, n - len(data), 16)
        if not some:
            return None
        data += some
        fds += got
    return data


def send_message(s, body, fd=None):
    head = struct.pack("!IB", len(body), fd is not None)
    if fd is None:
        s.sendall(head + body)
        return
    s.sendall(head)
    part = array.array("i", [fd])
    sent = s.sendmsg([body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, part)])
    s.sendall(body[sent:])


def recv_message(s):
    fds = []
    head = recv_exactly(s, 5, fds)
    if head is None:
        return None, None
    assert not fds, "a descriptor came too early"
    size, has_fd = struct.unpack("!IB", head)
    body = recv_exactly(s, size, fds)
    assert len(fds) == has_fd, f"{len(fds)} descriptors, not {has_fd}"
    return body, fds[0] if fds else None


def file_with(content):
    fd = os.memfd_create("passed")
    os.write(fd, content)
    return fd


def content_of(fd):
    content = os.pread(fd, 1000, 0)
    os.close(fd)
    return content


def serve(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    while True:
        s, _ = listener.accept()
        while True:
            body, fd = recv_message(s)
            if body is None:
                break
            if fd is None:
                send_message(s, body)
                continue
            back = file_with(content_of(fd))
            send_message(s, body, back)
            os.close(back)
        s.close()


def talk(s, i):
    body = f"message {i}".encode() * (1 + i % 50)
    send_message(s, body)
    got, fd = recv_message(s)
    assert got == body and fd is None


def dial(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    for i in range(ROUNDS):
        talk(s, i)
    for i in range(5):
        content = f"file {i}".encode()
        fd = file_with(content)
        # unanswered ones lie before it
        send_message(s, b"before")
        send_message(s, b"with", fd)
        send_message(s, b"after")
        os.close(fd)
        assert recv_message(s) == (b"before", None)
        body, fd = recv_message(s)
        assert body == b"with" and content_of(fd) == content
        assert recv_message(s) == (b"after", None)
        talk(s, i)
    for i in range(ROUNDS):
        talk(s, i)


{"serve": serve, "dial": dial}[sys.argv[1]](sys.argv[2])
