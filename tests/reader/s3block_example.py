#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The worked example of docs/s3block.md. `show REPOSITORY SECRET-FILE` prints it for a tiny
repository, to be pasted into the document when the format changes; `unpack DOCUMENT FOLDER` makes
the repository of the document's dumps again, so that a test can read it. A dump is the line
"Object `KEY`:" and then indented lines of offset and hex."""
import argparse
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import s3block_reader as s3b  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402


def dump(data):
    for i in range(0, len(data), 32):
        line = data[i:i + 32].hex()
        print('    %4d  %s' % (i, ' '.join(line[k:k + 8] for k in range(0, len(line), 8))))
    print()


def named(title, pairs):
    print(title + '\n')
    for name, value in pairs:
        print('    %-22s %s' % (name, value.hex()))
    print()


def show(folder, secret_file):
    secret = s3b.Secret(argparse.Namespace(recovery_key=None, key_file=None,
                                           passphrase_file=secret_file))
    repository = s3b.Repository(folder, secret)
    node = repository.node(None)
    keys = node.keys(1, 'h')
    print('Object `h`:\n')
    dump(repository.get('h'))
    print('Object `k/passphrase`:\n')
    dump(repository.get('k/passphrase'))
    k_node = repository.ring.k_node(node.uuid, 1)
    named('The keys:', [
        ('repository key', repository.ring.keys[1]),
        ('K_header of h', repository.ring.k_header(1)),
        ('K_node', k_node), ('K_data', keys.data), ('K_map', keys.map), ('K_root', keys.root),
        ('K_id', keys.id), ('K_salt', s3b.hkdf(k_node, b's3block salt')),
        ('K_header of n/NODE/h', keys.header)])
    print('Object `%sh`:\n' % node.prefix)
    dump(repository.get(node.prefix + 'h'))
    root_key = '%sp/%016x' % (node.prefix, 1)
    root = repository.get(root_key)
    print('Object `%s`:\n' % root_key)
    dump(root)
    named('Its key:', [('K_root_obj', s3b.hkdf(keys.root, b's3block root', root[80:112]))])
    k_root = s3b.hkdf(keys.root, b's3block root', root[80:112])
    print('Its body:\n')
    dump(AESGCM(k_root).decrypt(bytes(12), root[112:], root[:112] + bytes(4)))
    key, = repository.list(node.prefix + 's/')
    print('Object `%s`:\n' % key)
    segment_bytes = repository.get(key)
    dump(segment_bytes)
    segment = node.segment(tuple(int(x, 16) for x in re.findall('[0-9a-f]+', key.split('/s/')[1])))
    named('Its keys:', [('K_seg_map', segment.key_map), ('K_seg_data', segment.key_data)])
    rows = segment.maps + segment.n_blocks
    at = 112 + (rows + 7) // 8
    mark = struct.pack('<I', s3b.TABLE_NUMBER)
    print('Its table:\n')
    dump(AESGCM(segment.key_map).decrypt(mark + bytes(8), segment_bytes[at:at + 32 * rows + 16],
                                         segment_bytes[:112] + mark))
    for i in range(segment.maps):
        print('Plaintext of its map slot %d, at offset %d:\n' % (i, segment.offsets[i]))
        dump(segment.read(s3b.MAP_SLOT | i, 65536)[1])


def unpack(document, folder):
    key = None
    with open(document, encoding='utf-8') as f:
        for line in f:
            start = re.match('Object `([a-z0-9/-]+)`:', line)
            data = re.match(' {4} *[0-9]+  ([0-9a-f ]+)$', line)
            if start:
                key = start.group(1)
                path = os.path.join(folder, *key.split('/'))
                os.makedirs(os.path.dirname(path), exist_ok=True)
            elif key and data:
                with open(path, 'ab') as out:
                    out.write(bytes.fromhex(data.group(1)))
            elif line.strip():
                key = None


if __name__ == '__main__':
    {'show': show, 'unpack': unpack}[sys.argv[1]](*sys.argv[2:4])
