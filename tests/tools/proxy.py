#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy on loopback that wants a user and a password: CONNECT and whole URLs.

    proxy.py PORT-FILE LOG USER:PASSWORD

Each request that it lets through is a line in the log."""
import base64
import os
import socket
import sys
import threading
from urllib.parse import urlsplit


def head_of(connection):
    data = b''
    while not data.endswith(b'\r\n\r\n'):
        byte = connection.recv(1)
        if not byte:
            return None
        data += byte
    return data.decode('latin-1')


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def tell(log, line):
    with open(log, 'a', encoding='ascii') as f:
        f.write(line + '\n')


def serve(connection, log, secret):
    wanted = 'Proxy-Authorization: Basic ' + base64.b64encode(secret.encode()).decode()
    while (head := head_of(connection)) is not None:
        lines = head.split('\r\n')
        method, target, _ = lines[0].split(' ')
        if wanted not in lines:
            connection.sendall(b'HTTP/1.1 407 Who asks\r\nProxy-Authenticate: Basic realm="p"\r\n'
                               b'Content-Length: 0\r\nConnection: close\r\n\r\n')
            break
        tell(log, method + ' ' + target)
        if method == 'CONNECT':
            host, port = target.rsplit(':', 1)
            there = socket.create_connection((host.strip('[]'), int(port)))
            connection.sendall(b'HTTP/1.1 200 Go\r\n\r\n')
        else:  # one request a connection, which is all that the test needs
            url = urlsplit(target)
            there = socket.create_connection((url.hostname, url.port or 80))
            path = url.path + ('?' + url.query if url.query else '')
            kept = [line for line in lines[1:] if not line.startswith('Proxy-')]
            there.sendall('\r\n'.join([f'{method} {path} HTTP/1.1', 'Connection: close'] + kept)
                          .encode('latin-1'))
        threading.Thread(target=pump, args=(there, connection), daemon=True).start()
        pump(connection, there)
        break
    connection.close()


def main(port_file, log, secret):
    listener = socket.create_server(('127.0.0.1', 0))
    with open(port_file + '.new', 'w', encoding='ascii') as f:
        f.write(str(listener.getsockname()[1]))
    os.rename(port_file + '.new', port_file)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, log, secret), daemon=True).start()


main(*sys.argv[1:])
