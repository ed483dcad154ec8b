#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nbd-read.py SOCKET IMAGE BLOCK - reads an export block by block and compares it with an image.

An NBD client that knows one request, so that a test sees the answer to each: prints the numbers of
the blocks that were answered by EIO, and fails on any other error and on any byte that differs.
"""
import socket
import struct
import sys

EIO = 5


def receive(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            sys.exit("the server hung up")
        data += more
    return data


def connect(path):
    """Newstyle handshake with NBD_OPT_EXPORT_NAME; returns the connection and the size."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    if receive(s, 16) != b"NBDMAGICIHAVEOPT":
        sys.exit("not a newstyle server")
    flags = struct.unpack(">H", receive(s, 2))[0]
    s.sendall(struct.pack(">I", flags & 3))
    s.sendall(b"IHAVEOPT" + struct.pack(">II", 1, 0))
    size = struct.unpack(">Q", receive(s, 8))[0]
    receive(s, 2 if flags & 2 else 2 + 124)
    return s, size


def read(s, offset, n):
    s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, offset, offset, n))
    magic, error, cookie = struct.unpack(">IIQ", receive(s, 16))
    if magic != 0x67446698 or cookie != offset:
        sys.exit("not an answer")
    return error, None if error else receive(s, n)


def main():
    path, image, block = sys.argv[1], sys.argv[2], int(sys.argv[3])
    s, size = connect(path)
    bad = []
    with open(image, "rb") as f:
        f.seek(0, 2)
        if f.tell() != size:
            sys.exit("the export has %d bytes, the image %d" % (size, f.tell()))
        for at in range(0, size, block):
            f.seek(at)
            wanted = f.read(block)
            error, data = read(s, at, len(wanted))
            if error == EIO:
                bad.append(at // block)
            elif error:
                sys.exit("block %d: error %d" % (at // block, error))
            elif data != wanted:
                sys.exit("block %d: WRONG DATA" % (at // block))
    print(*bad)


main()
