#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes objects that are sealed as a holder of the key would and that say something wrong, for
tests of what readers check beyond tags. `s3block_forge.py WHAT REPOSITORY SECRET-FILE [SLOT]`:

  block    a DATA block, its row and its leaf's ids are of other content; the leaf is as it was
  chain    the newest root names another hash for the root before it
  known    a reference in the newest root says wrongly what is known below it
  features the newest root asks of who builds on it what nobody knows
  unmark   marks of forgotten points are replaced by ones that anybody can make
  epochs   slot SLOT gets a second key, of an epoch above the header's
  node     slot SLOT gets the keys of the repository's only node instead
  alien    slot SLOT gets keys of a kind that there is not

What was changed is written back in place."""
import argparse
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import s3block_reader as s3b  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: E402


def seal(key, number, associated, plain):
    mark = struct.pack('<I', number)
    return AESGCM(key).encrypt(mark + bytes(8), plain, associated + mark)


def put(repository, key, object_):
    with open(repository.path(key), 'wb') as f:
        f.write(object_)


# ---- segments ----

def leaf_with_block(node):
    """(segment, leaf's slot, slot of one of its blocks in the same segment, place among the ids)"""
    for root in reversed(node.points(s3b.complain)):
        for disk in root.disks:
            map_ = s3b.Map(node, root, disk)
            refs = list(enumerate(disk.top))
            for level in range(disk.levels, 0, -1):
                refs = [(s3b.FANOUT * i + k, child) for i, r in refs
                        for k, child in enumerate(map_.inner(r, level, i))]
            for index, ref in refs:
                leaf = map_.leaf(ref, index)
                for at, i in enumerate(leaf.data()):
                    if leaf.places[i][0] == ref.segment:
                        return node.segment(ref.segment), ref.slot, leaf.places[i][1], at
    raise s3b.Failed('no leaf lies with one of its blocks')


def forge_block(repository, node):
    segment, leaf, block, at = leaf_with_block(node)
    plain = {}
    for i in range(segment.maps + segment.n_blocks):
        if segment.offsets[i] is not None:
            slot = s3b.MAP_SLOT | i if i < segment.maps else i - segment.maps
            plain[i] = slot, segment.read(slot, s3b.MIB)[1]
    ids, data = segment.row(leaf + 1), segment.row(block)
    was = plain[data][1]
    other = bytes([was[0] ^ 1]) + was[1:]
    id_ = segment.keys.identify(segment.algorithm, other)
    plain[data] = block, other
    page = plain[ids][1]
    plain[ids] = leaf + 1, page[:16 * at] + id_ + page[16 * at + 16:]
    rows, slots = b'', b''
    n = len(segment.rows)
    for i, row in enumerate(segment.rows):
        if i in plain: # all raw: the lengths are in the rows
            slot, bytes_ = plain[i]
            key = segment.key_map if slot & s3b.MAP_SLOT else segment.key_data
            slots += seal(key, slot, segment.header, bytes_)
            row.codec, row.stored = 0, len(bytes_)
            row.id = segment.keys.identify(segment.algorithm, bytes_)
        rows += struct.pack('<BBHIQ16s', row.type, row.codec, row.disk, row.stored, row.number,
                            row.id)
    object_ = repository.get(segment.key)
    put(repository, segment.key, object_[:112 + (n + 7) // 8] +
        seal(segment.key_map, s3b.TABLE_NUMBER, segment.header, rows) + slots)


# ---- roots ----

def root_change(repository, node, change):
    """change(root, header, body): both may be changed in place."""
    seq = max(node.numbers('p'))
    key = '%sp/%016x' % (node.prefix, seq)
    object_ = repository.get(key)
    header, root = bytearray(object_[:112]), s3b.Root(node, seq, object_)
    epoch, = struct.unpack_from('<I', object_, 56)
    sealing = s3b.hkdf(node.keys(epoch, key).root, b's3block root', object_[80:112])
    body = bytearray(s3b.unseal(sealing, 0, object_[:112], object_[112:], key))
    change(root, header, body)
    put(repository, key, bytes(header) + seal(sealing, 0, bytes(header), bytes(body)))


def other_hash(_, header, body):
    body[8] ^= 1


def other_known(root, header, body):
    disk = root.disks[0]
    ref = next(r for r in disk.top if r.kind == s3b.PAGE and not r.all_known)
    at = body.index(ref.id)
    if disk.levels: # no bits follow the reference: just the answer for all
        body[at - 5] ^= 0x80
    else:
        body[at + 16] ^= 1


def other_features(_, header, body):
    header[72] |= 4


# ---- slots and marks ----

def slot_change(repository, name, secret, payload):
    """The slot under the same secret, at a low cost, with that in it."""
    key = 'k/' + name
    object_ = bytearray(repository.get(key))
    at = 85 + object_[84]
    object_[40:52] = struct.pack('<B3xII', 10, 8, 1)
    object_[at:] = struct.pack('<I', len(payload))
    salt = bytes(object_[52:84])
    sealing = Scrypt(salt=salt, length=32, n=1 << 10, r=8, p=1).derive(
        secret.by_kind[s3b.PASSPHRASE])
    clear = bytes(object_)
    put(repository, key, clear + seal(sealing, 0, clear + name.encode(), payload))


def keyring(kind, node, keys):
    return struct.pack('<I16sI', kind, node, len(keys)) + b''.join(
        struct.pack('<I', epoch) + key for epoch, key in sorted(keys.items()))


def unmark(repository, node):
    for seq in node.numbers('f'):
        put(repository, '%sf/%016x' % (node.prefix, seq),
            b'S3BFGT01' + struct.pack('<Q', seq) + bytes(32))


def main():
    what, folder, secret_file = sys.argv[1:4]
    secret = s3b.Secret(argparse.Namespace(recovery_key=None, key_file=None,
                                           passphrase_file=secret_file))
    repository = s3b.Repository(folder, secret)
    node, keys = repository.node(None), repository.ring.keys
    roots = {'chain': other_hash, 'known': other_known, 'features': other_features}
    if what == 'block':
        forge_block(repository, node)
    elif what in roots:
        root_change(repository, node, roots[what])
    elif what == 'unmark':
        unmark(repository, node)
    elif what == 'epochs':
        two = keys | {max(keys) + 1: bytes(range(32))}
        slot_change(repository, sys.argv[4], secret, keyring(s3b.OF_REPOSITORY, bytes(16), two))
    elif what == 'node':
        own = {epoch: repository.ring.k_node(node.uuid, epoch) for epoch in keys}
        slot_change(repository, sys.argv[4], secret, keyring(s3b.OF_NODE, node.uuid, own))
    elif what == 'alien':
        slot_change(repository, sys.argv[4], secret, keyring(2, bytes(16), keys))
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    main()
