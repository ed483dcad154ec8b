#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of S3Block repositories in a folder, written from docs/s3block.md and not
from the program, so that the document is tested too. It makes every check that the format allows:
tags, ids, rows against leaves, known bits, lengths, the chain of roots. Nothing is written but the
file that `restore --to` names. Exit codes: 0 done, 1 failed, 2 usage, 5 damaged data found.

Needs python3-cryptography and python3-zstandard.
"""
import argparse
import hashlib
import hmac
import os
import re
import struct
import sys
import uuid

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

FANOUT = 128
KIB, MIB = 1 << 10, 1 << 20
UNKNOWN, ZERO, DATA, BAD = 0, 1, 2, 3
BLOCK, LEAF, IDS, INNER = 1, 2, 3, 4
ALL_UNKNOWN, ALL_ZERO, PAGE = 0, 1, 2
MAP_SLOT = 0x8000
TABLE_NUMBER = 0xffffffff
PASSPHRASE, KEY_FILE, RECOVERY = 1, 2, 3
OF_REPOSITORY, OF_NODE = 0, 1


class Failed(Exception):
    """Could not be done: a wrong secret, no such point."""


class Damaged(Exception):
    """Stored bytes are not what a writer wrote."""


def need(condition, what):
    if not condition:
        raise Damaged(what)


# ---- primitives ----

def hkdf(ikm, info, salt=None):
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=info).derive(ikm)


def unseal(key, number, associated, sealed, what):
    mark = struct.pack('<I', number)
    try:
        return AESGCM(key).decrypt(mark + bytes(8), sealed, associated + mark)
    except InvalidTag:
        raise Damaged(what + ': fails its check') from None


class Cursor:
    """Takes fields off a byte string; running out of bytes is damage."""

    def __init__(self, data, what):
        self.data, self.what, self.at = data, what, 0

    def take(self, n):
        need(self.at + n <= len(self.data), self.what + ': cut short')
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack('<H', self.take(2))[0]

    def u32(self):
        return struct.unpack('<I', self.take(4))[0]

    def u64(self):
        return struct.unpack('<Q', self.take(8))[0]

    def i64(self):
        return struct.unpack('<q', self.take(8))[0]

    def text(self, most):
        raw = self.take(self.u16())
        need(len(raw) <= most and 0 not in raw, self.what + ': a text is impossible')
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Damaged(self.what + ': a text is not UTF-8') from None

    def end(self):
        need(self.at == len(self.data), self.what + ': bytes too many')


def check_version(magic, object_, what):
    need(object_[:8] == magic, what + ': wrong magic')
    major = struct.unpack_from('<H', object_, 8)[0]
    need(major == 1, '%s: format version %d, this reader knows 1' % (what, major))


# ---- keys ----

def recovery_bytes(text):
    """The 20 bytes of a recovery key, or None if the text is none."""
    alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
    digits = []
    for c in text.upper():
        if c in '- \r\n':
            continue
        c = {'O': '0', 'I': '1', 'L': '1'}.get(c, c)
        if c not in alphabet:
            return None
        digits.append(alphabet.index(c))
    if len(digits) != 36:
        return None
    number = 0
    for digit in digits[:32]:
        number = number << 5 | digit
    key = number.to_bytes(20, 'big')
    check = sum(digit << 5 * i for i, digit in enumerate(digits[32:]))
    wanted = struct.unpack('<I', hashlib.sha256(key).digest()[:4])[0] & 0xfffff
    return key if check == wanted else None


class Secret:
    """What the user gave, as each kind of slot takes it."""

    def __init__(self, args):
        self.by_kind = {}
        if args.recovery_key:
            key = recovery_bytes(args.recovery_key)
            if key is None:
                raise Failed('this is no recovery key: a digit is wrong')
            self.by_kind[RECOVERY] = key
        elif args.key_file:
            with open(args.key_file, 'rb') as f:
                self.by_kind[KEY_FILE] = f.read()
        else:
            with open(args.passphrase_file, 'rb') as f:
                raw = f.read()
            if raw.endswith(b'\n'):
                raw = raw[:-1]
                if raw.endswith(b'\r'):
                    raw = raw[:-1]
            self.by_kind[PASSPHRASE] = raw


def slot_open(name, object_, secret):
    """(repository UUID, Keyring); None if the secret is of another kind or does not fit."""
    what = 'k/' + name
    check_version(b'S3BKEY01', object_, what)
    c = Cursor(object_, what)
    c.take(12)
    kind, repository = c.u32(), c.take(16)
    c.i64()
    log2_n = c.u8()
    c.take(3)
    r, p, salt = c.u32(), c.u32(), c.take(32)
    label = c.take(c.u8())
    size = c.u32()
    clear = object_[:c.at]
    sealed = c.take(size + 16)
    c.end()
    need(len(label) <= 64 and 24 <= size <= 4096, what + ': a length is impossible')
    need(kind in (PASSPHRASE, KEY_FILE, RECOVERY), '%s: unknown kind %d' % (what, kind))
    if kind not in secret.by_kind:
        return None
    if kind == PASSPHRASE:
        need(10 <= log2_n <= 20 and 1 <= r <= 32 and 1 <= p <= 16 and
             128 * r << log2_n <= 256 * MIB, what + ': scrypt cost out of bounds')
        kek = Scrypt(salt=salt, length=32, n=1 << log2_n, r=r, p=p).derive(secret.by_kind[kind])
    else:
        kek = hkdf(secret.by_kind[kind], b's3block slot', salt)
    try:
        ring = unseal(kek, 0, clear + name.encode(), sealed, what)
    except Damaged:
        return None
    return repository, Keyring(Cursor(ring, what), repository)


class Keyring:
    """What a slot holds: a key of each epoch, of the repository or of one node."""

    def __init__(self, c, repository):
        kind, node, n = c.u32(), c.take(16), c.u32()
        need(kind in (OF_REPOSITORY, OF_NODE), '%s: keys of unknown kind %d' % (c.what, kind))
        need(1 <= n <= 16, c.what + ': impossible number of keys')
        self.repository, self.node, self.keys = repository, node if kind == OF_NODE else None, {}
        last = -1
        for _ in range(n):
            epoch = c.u32()
            need(epoch > last, c.what + ': epochs do not ascend')
            self.keys[epoch], last = c.take(32), epoch
        c.end()

    def k_node(self, node, epoch):
        if self.node:
            return self.keys[epoch]
        info = b's3block node ' + node + struct.pack('<I', epoch)
        return hkdf(self.keys[epoch], info, self.repository)

    def k_header(self, epoch):
        """Of h, or if this is a node's ring of the copy under that node."""
        if self.node:
            return hkdf(self.keys[epoch], b's3block header')
        return hkdf(self.keys[epoch], b's3block header', self.repository)


class NodeKeys:
    """Keys of one node in one epoch."""

    def __init__(self, k_node):
        self.data = hkdf(k_node, b's3block data')
        self.map = hkdf(k_node, b's3block map')
        self.root = hkdf(k_node, b's3block root')
        self.id = hkdf(k_node, b's3block id')
        self.header = hkdf(k_node, b's3block header')

    def identify(self, algorithm, plain):
        if algorithm == 1:
            return AESGCM(self.id).encrypt(bytes(12), b'', plain)
        return hmac.digest(self.id, plain, 'sha256')[:16]


# ---- the repository ----

class Repository:
    def __init__(self, folder, secret):
        self.folder = folder
        header = self.get('h')
        if header is None:
            raise Failed(folder + ' holds no repository')
        self.header_parse(header, 'h')
        self.ring = self.unlock(secret)
        what = 'h'
        if self.ring.node:
            what = 'n/%s/h' % uuid.UUID(bytes=self.ring.node)
            header = self.get(what)
            need(header is not None, what + ': is missing')
            named = self.uuid
            self.header_parse(header, what)
            need(self.uuid == named, what + ': belongs to another repository')
        need(self.epoch in self.ring.keys, what + ': names an epoch without a key')
        need(self.epoch == max(self.ring.keys), what + ': is older than the keys')
        self.header_check(header, what, self.ring.k_header(self.epoch))

    def path(self, key):
        return os.path.join(self.folder, *key.split('/'))

    def get(self, key):
        try:
            with open(self.path(key), 'rb') as f:
                return f.read()
        except FileNotFoundError:
            return None

    def list(self, prefix):
        """Keys below a prefix that ends with '/', sorted."""
        found = []
        for folder, _, names in os.walk(self.path(prefix[:-1])):
            below = os.path.relpath(folder, self.folder).replace(os.sep, '/')
            found += [below + '/' + name for name in names]
        return sorted(found)

    def header_parse(self, object_, what):
        check_version(b'S3BLOCK1', object_, what)
        need(len(object_) == 120, what + ': wrong length')
        (size, self.uuid, read, self.features_write, _, self.id_algorithm, self.flags, self.epoch,
         zero, self.created, zero2) = struct.unpack_from('<I16sQQQIIIIqQ', object_, 12)
        need(size == 120 and zero == 0 and zero2 == 0, what + ': an impossible field')
        need(read == 0, '%s: needs features %x, unknown to this reader' % (what, read))
        need(self.id_algorithm in (1, 2), what + ': unknown id algorithm')

    def unlock(self, secret):
        trouble = None
        for key in self.list('k/'):
            name = key[2:]
            if not re.fullmatch('[a-z0-9][a-z0-9-]{0,31}', name):
                continue
            try:
                opened = slot_open(name, self.get(key), secret)
            except Damaged as e:
                trouble = e
                continue
            if opened:
                need(opened[0] == self.uuid, key + ': belongs to another repository')
                return opened[1]
        if trouble:
            raise trouble
        raise Failed('no key slot opens with this secret')

    def header_check(self, object_, what, key):
        mac = hmac.digest(key, object_[:88], 'sha256')
        need(hmac.compare_digest(mac, object_[88:]), what + ': fails its check')

    def nodes(self):
        pattern = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
        try:
            names = sorted(os.listdir(self.path('n')))
        except FileNotFoundError:
            names = []
        found = [uuid.UUID(name).bytes for name in names if re.fullmatch(pattern, name)]
        return [Node(self, node) for node in found if self.ring.node in (None, node)]

    def node(self, wanted):
        nodes = self.nodes()
        if wanted is None:
            if len(nodes) != 1:
                raise Failed('there are %d nodes: name one with --node' % len(nodes))
            return nodes[0]
        for node in nodes:
            if wanted.lower() == str(uuid.UUID(bytes=node.uuid)):
                return node
        named = [node for node in nodes if node.name() == wanted]
        if len(named) != 1:
            raise Failed('%d nodes are named %s' % (len(named), wanted))
        return named[0]


class Node:
    def __init__(self, repository, node):
        self.repository, self.uuid = repository, node
        self.prefix = 'n/%s/' % uuid.UUID(bytes=node)
        self.by_epoch = {}
        self.segments = {}

    def keys(self, epoch, what):
        if epoch not in self.by_epoch:
            ring = self.repository.ring
            need(epoch in ring.keys, '%s: no key of epoch %d' % (what, epoch))
            self.by_epoch[epoch] = NodeKeys(ring.k_node(self.uuid, epoch))
        return self.by_epoch[epoch]

    def numbers(self, kind):
        prefix = self.prefix + kind + '/'
        names = [key[len(prefix):] for key in self.repository.list(prefix)]
        return [int(name, 16) for name in names if re.fullmatch('[0-9a-f]{16}', name)]

    def root(self, seq):
        object_ = self.repository.get('%sp/%016x' % (self.prefix, seq))
        if object_ is None:
            raise Failed('there is no point %d' % seq)
        return Root(self, seq, object_)

    def mark(self, seq):
        """What marks a point as forgotten."""
        head = b'S3BFGT01' + struct.pack('<Q', seq)
        key = self.keys(self.repository.epoch, 'h').root
        return head + hmac.digest(key, head + self.uuid, 'sha256')

    def forgotten(self):
        """Points that are marked as forgotten; a mark that is not authentic marks nothing."""
        found = set()
        for seq in self.numbers('f'):
            mark = self.repository.get('%sf/%016x' % (self.prefix, seq))
            if mark is not None and hmac.compare_digest(mark, self.mark(seq)):
                found.add(seq)
            else:
                print('note: %sf/%016x fails its check and marks nothing' % (self.prefix, seq))
        return found

    def points(self, report):
        """Roots that are points, oldest first."""
        forgotten = self.forgotten()
        points = []
        for seq in self.numbers('p'):
            try:
                root = self.root(seq)
            except Damaged as e:
                report(e)
                continue
            if not root.partial and seq not in forgotten:
                points.append(root)
        return points

    def name(self):
        points = self.points(lambda e: None)
        return points[-1].node_name if points else None

    def segment(self, name):
        """The head of a segment, checked; the last ones are kept."""
        if name not in self.segments:
            if len(self.segments) >= 64:
                self.segments.pop(next(iter(self.segments)))
            self.segments[name] = Segment(self, name)
        return self.segments[name]


# ---- roots ----

class Disk:
    def __init__(self, data, what):
        c = Cursor(data, what)
        self.number, self.mode, self.consistency = c.u16(), c.u8(), c.u8()
        self.flags = c.u32()
        self.bytes, self.block_size = c.u64(), c.u32()
        self.sectors = c.u32(), c.u32()
        self.token = c.take(16)
        self.counts = [c.u64() for _ in range(5)]
        self.identity, self.path = c.text(159), c.text(1023)
        self.reason, self.tracker = c.text(199), c.text(32)
        need(1 <= self.bytes <= 1 << 60 and 16 * KIB <= self.block_size <= MIB and
             self.block_size & self.block_size - 1 == 0, what + ': impossible size or block size')
        self.blocks = -(-self.bytes // self.block_size)
        self.pages = [-(-self.blocks // FANOUT)]  # by level
        while self.pages[-1] > FANOUT:
            self.pages.append(-(-self.pages[-1] // FANOUT))
        self.levels = len(self.pages) - 1
        self.top = references(c, self.levels + 1)
        need(len(self.top) == self.pages[-1], what + ': wrong number of references')

    def length(self, block):
        return min(self.block_size, self.bytes - block * self.block_size)


class Root:
    def __init__(self, node, seq, object_):
        what = 'root %d' % seq
        self.seq = seq
        need(128 <= len(object_) <= 16 * MIB, what + ': impossible length')
        check_version(b'S3BROOT1', object_, what)
        size, repository, of, number, epoch, body, read, _ = struct.unpack_from(
            '<I16s16sQIIQQ', object_, 12)
        need(read == 0, '%s: needs features %x, unknown to this reader' % (what, read))
        need(size == 112 and body == len(object_) - 128, what + ': wrong length')
        need(repository == node.repository.uuid and of == node.uuid and number == seq,
             what + ': is the root of another point')
        key = hkdf(node.keys(epoch, what).root, b's3block root', object_[80:112])
        self.hash = hashlib.sha256(object_).digest()
        self.body(unseal(key, 0, object_[:112], object_[112:], what), what)

    def body(self, plain, what):
        c = Cursor(plain, what)
        self.previous, self.previous_hash = c.u64(), c.take(32)
        self.instance, self.tag, self.flags = c.take(32), c.u64(), c.u32()
        self.time, self.begun, self.ended, self.immutable_until = [c.i64() for _ in range(4)]
        self.node_name, self.agent = c.text(64), c.text(32)
        self.partial = bool(self.flags & 1)
        need(self.previous == self.seq - 1, what + ': names a wrong root before it')
        need(self.previous or self.previous_hash == bytes(32), what + ': a hash of nothing')
        n = c.u32()
        need(n <= 4096, what + ': too many disks')
        self.disks = []
        for _ in range(n):
            record = c.take(c.u32())
            self.disks.append(Disk(record, '%s, disk record %d' % (what, len(self.disks))))
        need(len({d.number for d in self.disks}) == n and
             len({d.identity for d in self.disks}) == n, what + ': two disks are one')
        m = c.u32()
        need(m <= 256, what + ': too many facts')
        self.facts = {}
        for _ in range(m):
            name = c.text(32)
            self.facts[name] = c.take(c.u32())


# ---- segments ----

class Row:
    def __init__(self, raw):
        self.type, self.codec, self.disk, self.stored, self.number, self.id = struct.unpack(
            '<BBHIQ16s', raw)


class Segment:
    """Head and slots of one segment. name: (SEQ, TAG, INDEX)."""

    def __init__(self, node, name):
        self.key = '%ss/%016x-%016x/%08x' % (node.prefix, *name)
        self.algorithm = node.repository.id_algorithm
        try:
            self.file = open(node.repository.path(self.key), 'rb')
        except FileNotFoundError:
            raise Damaged(self.key + ': is missing') from None
        self.header = self.file.read(112)
        need(len(self.header) == 112, self.key + ': cut short')
        check_version(b'S3BSEG01', self.header, self.key)
        size, repository, of, seq, tag, index, epoch, self.maps, self.n_blocks = struct.unpack_from(
            '<I16s16sQQIIII', self.header, 12)
        need(size == 112, self.key + ': wrong header size')
        need(repository == node.repository.uuid and of == node.uuid and (seq, tag, index) == name,
             self.key + ': holds another object')
        n = self.maps + self.n_blocks
        need(self.maps <= 32768 and self.n_blocks <= 32768 and n,
             self.key + ': impossible number of slots')
        self.keys = node.keys(epoch, self.key)
        self.key_data = hkdf(self.keys.data, b's3block segment', self.header[80:])
        self.key_map = hkdf(self.keys.map, b's3block segment', self.header[80:])
        bitmap = self.file.read((n + 7) // 8)
        table = self.file.read(32 * n + 16)
        need(len(table) == 32 * n + 16, self.key + ': cut short')
        table = unseal(self.key_map, TABLE_NUMBER, self.header, table, self.key + ', table')
        need(int.from_bytes(bitmap, 'little') >> n == 0, self.key + ': bits of no slot are set')
        self.rows, self.offsets = [], []
        at = 112 + len(bitmap) + 32 * n + 16
        for i in range(n):
            row = Row(table[32 * i:32 * i + 32])
            need(row.type in ((LEAF, IDS, INNER) if i < self.maps else (BLOCK,)) and
                 row.codec <= 1 and 1 <= row.stored <= MIB,
                 '%s: row %d is impossible' % (self.key, i))
            present = bitmap[i // 8] >> i % 8 & 1
            self.rows.append(row)
            self.offsets.append(at if present else None)
            at += row.stored + 16 if present else 0
        self.size = at
        self.actual = os.fstat(self.file.fileno()).st_size
        need(self.actual == at, '%s: %d bytes long, not %d' % (self.key, self.actual, at))

    def row(self, slot):
        i = slot & ~MAP_SLOT
        if slot & MAP_SLOT:
            return i if i < self.maps else None
        return self.maps + i if i < self.n_blocks else None

    def read(self, slot, most):
        """Row and plaintext of a slot; the plaintext has at most that many bytes."""
        what = '%s, slot %#x' % (self.key, slot)
        i = self.row(slot)
        need(i is not None and self.offsets[i] is not None, what + ': was cut out or never was')
        row = self.rows[i]
        self.file.seek(self.offsets[i])
        sealed = self.file.read(row.stored + 16)
        need(len(sealed) == row.stored + 16, what + ': cut short')
        key = self.key_map if slot & MAP_SLOT else self.key_data
        plain = unseal(key, slot, self.header, sealed, what)
        if row.codec == 1:
            plain = self.unpack(plain, most, what)
        need(len(plain) <= most, what + ': too large')
        need(self.keys.identify(self.algorithm, plain) == row.id, what + ': its id is wrong')
        return row, plain

    @staticmethod
    def unpack(packed, most, what):
        try:
            size = zstandard.get_frame_parameters(packed).content_size
            need(size <= most, what + ': unpacks to too much')
            unpacker = zstandard.ZstdDecompressor().decompressobj()
            plain = unpacker.decompress(packed)
        except zstandard.ZstdError as e:
            raise Damaged('%s: does not unpack: %s' % (what, e)) from None
        need(len(plain) == size and not unpacker.unused_data, what + ': is not one whole frame')
        return plain


# ---- the map ----

def segment_names(c):
    n = c.u16()
    need(n <= FANOUT, c.what + ': too many segments')
    return [(c.u64(), c.u64(), c.u32()) for _ in range(n)]


class Reference:
    def __init__(self, kind=ALL_UNKNOWN):
        self.kind, self.all_known, self.known = kind, kind == ALL_ZERO, None
        self.segment = self.slot = self.id = None


def references(c, level):
    need(c.u8() == 1 and c.u8() == level, c.what + ': wrong version or level')
    n = c.u16()
    need(1 <= n <= FANOUT, c.what + ': impossible number of references')
    names = segment_names(c)
    found = []
    for _ in range(n):
        byte = c.u8()
        ref = Reference(byte & 0x7f)
        need(ref.kind <= PAGE and not (ref.kind == ALL_UNKNOWN and byte & 0x80),
             c.what + ': a reference is impossible')
        ref.all_known |= bool(byte & 0x80)
        if ref.kind == PAGE:
            index, ref.slot = c.u16(), c.u16()
            need(index < len(names) and ref.slot & MAP_SLOT, c.what + ': a reference is impossible')
            ref.segment, ref.id = names[index], c.take(16)
            if level == 1 and not ref.all_known:
                ref.known = c.u64() | c.u64() << 64
        found.append(ref)
    return found


class Leaf:
    def __init__(self, n, state=UNKNOWN):
        self.states, self.places, self.ids, self.ids_page = [state] * n, {}, {}, None

    def parse(self, plain, what):
        most = len(self.states)
        c = Cursor(plain, what)
        need(c.u8() == 1, what + ': wrong version')
        n = c.u8()
        need(1 <= n <= most, what + ': impossible number of blocks')
        bits = int.from_bytes(c.take((n + 3) // 4), 'little')
        need(bits >> 2 * n == 0, what + ': states of no block')
        for i in range(n):
            self.states[i] = bits >> 2 * i & 3
        names, after = segment_names(c), 0
        runs = c.u16()
        need(runs <= FANOUT, what + ': too many runs')
        for _ in range(runs):
            first, count, index, slot = c.u8(), c.u8(), c.u16(), c.u16()
            need(first >= after and count and first + count <= n and index < len(names) and
                 slot + count <= 32768, what + ': a run is impossible')
            after = first + count
            for i in range(count):
                self.places[first + i] = names[index], slot + i
        if runs:
            self.ids_page = c.take(16)
        c.end()
        need(sorted(self.places) == self.data(), what + ': runs and states disagree')

    def data(self):
        return [i for i, state in enumerate(self.states) if state == DATA]

    def parse_ids(self, plain, what):
        blocks = self.data()
        need(len(plain) == 16 * len(blocks), what + ': wrong number of ids')
        for at, i in enumerate(blocks):
            self.ids[i] = plain[16 * at:16 * at + 16]

    def known(self):
        return sum(1 << i for i, state in enumerate(self.states) if state in (ZERO, DATA))


class Map:
    """One disk of one root."""

    def __init__(self, node, root, disk):
        self.node, self.disk = node, disk
        self.what = 'root %d, disk %d' % (root.seq, disk.number)

    def page(self, ref, slot, type_, level, index, id_, what):
        row, plain = self.node.segment(ref.segment).read(slot, 64 * KIB)
        need(row.type == type_ and row.disk == self.disk.number and
             row.number == level << 56 | index and row.id == id_,
             what + ': its slot holds another page')
        return plain

    def leaves(self, damaged=None):
        """(index, leaf) of the disk in order. damaged: told of pages that fail, else raised."""
        for i, ref in enumerate(self.disk.top):
            yield from self.below(ref, self.disk.levels, i, damaged)

    def below(self, ref, level, index, damaged):
        try:
            if ref.kind == ALL_ZERO:
                need((index + 1) * FANOUT ** (level + 1) <= self.disk.blocks,
                     '%s: page %d/%d is all ZERO beyond the end' % (self.what, level, index))
            if level == 0:
                yield index, self.leaf(ref, index)
                return
            children = self.inner(ref, level, index)
        except Damaged as e:
            if not damaged:
                raise
            damaged(e)
            return
        for i, child in enumerate(children):
            yield from self.below(child, level - 1, index * FANOUT + i, damaged)

    def inner(self, ref, level, index):
        what = '%s, inner page %d/%d' % (self.what, level, index)
        n = min(FANOUT, self.disk.pages[level - 1] - index * FANOUT)
        if ref.kind != PAGE:
            return [Reference(ref.kind) for _ in range(n)]
        c = Cursor(self.page(ref, ref.slot, INNER, level, index, ref.id, what), what)
        found = references(c, level)
        c.end()
        need(len(found) <= n, what + ': more references than the disk has pages')
        need(ref.all_known == (len(found) == FANOUT and all(r.all_known for r in found)),
             what + ': says wrongly whether all is known')
        return found + [Reference() for _ in range(n - len(found))]

    def leaf(self, ref, index):
        what = '%s, leaf %d' % (self.what, index)
        n = min(FANOUT, self.disk.blocks - index * FANOUT)
        leaf = Leaf(n, ZERO if ref.kind == ALL_ZERO else UNKNOWN)
        if ref.kind != PAGE:
            return leaf
        leaf.parse(self.page(ref, ref.slot, LEAF, 0, index, ref.id, what), what)
        full = leaf.known() == (1 << FANOUT) - 1
        need(ref.all_known == full and (full or ref.known == leaf.known()),
             what + ': its reference says wrongly what is known')
        if leaf.data():
            what += ', ids'
            leaf.parse_ids(self.page(ref, ref.slot + 1, IDS, 0, index, leaf.ids_page, what), what)
        return leaf

    def block(self, leaf, index, i):
        """Plaintext of DATA block i of a leaf."""
        number = index * FANOUT + i
        what = '%s, block %d' % (self.what, number)
        name, slot = leaf.places[i]
        row, plain = self.node.segment(name).read(slot, self.disk.block_size)
        need(row.disk == self.disk.number and row.number == number and row.id == leaf.ids[i] and
             len(plain) == self.disk.length(number), what + ': its slot holds another block')
        return plain


# ---- commands ----

def stamp(ns):
    import datetime
    at = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=ns // 1000)
    return at.strftime('%Y-%m-%dT%H:%M:%SZ')


def complain(e):
    print('damaged: %s' % e, file=sys.stderr)


def points(repository, args):
    bad = []
    for root in repository.node(args.node).points(lambda e: (bad.append(e), complain(e))):
        print('%d %s %s' % (root.seq, stamp(root.time), root.node_name))
        for d in root.disks:
            mode = ('?', 'full', 'incremental', 'compare')[d.mode if d.mode <= 3 else 0]
            print('  disk %d %d bytes %s %s' % (d.number, d.bytes, mode, d.path))
    return 5 if bad else 0


def restore(repository, args):
    node = repository.node(args.node)
    if args.point == 'latest':
        listed = node.points(complain)
        if not listed:
            raise Failed('there is no point')
        root = listed[-1]
    else:
        root = node.root(int(args.point))
        if root.partial:
            raise Failed('%d is a checkpoint, not a point' % root.seq)
    disks = [d for d in root.disks if args.disk is None or d.number == args.disk]
    if len(disks) != 1:
        raise Failed('point %d has disks %s: name one with --disk' %
                     (root.seq, ', '.join(str(d.number) for d in root.disks)))
    disk, counts = disks[0], [0, 0, 0, 0]
    map_ = Map(node, root, disk)
    with open(args.to, 'wb') as out:
        out.truncate(disk.bytes)
        for index, leaf in map_.leaves():
            for i, state in enumerate(leaf.states):
                number = index * FANOUT + i
                counts[state] += disk.length(number)
                if state == DATA:
                    out.seek(number * disk.block_size)
                    out.write(map_.block(leaf, index, i))
    print('point %d, disk %d: %d bytes of data, %d zero, %d unknown, %d unreadable' %
          (root.seq, disk.number, counts[DATA], counts[ZERO], counts[UNKNOWN], counts[BAD]))
    return 0


def verify_segments(node, damaged):
    prefix, n = node.prefix + 's/', 0
    for key in node.repository.list(prefix):
        found = re.fullmatch('([0-9a-f]{16})-([0-9a-f]{16})/([0-9a-f]{8})', key[len(prefix):])
        if not found:
            continue
        n += 1
        try:
            segment = node.segment(tuple(int(x, 16) for x in found.groups()))
        except Damaged as e:
            damaged(e)
            continue
        for i in range(segment.maps + segment.n_blocks):
            slot = MAP_SLOT | i if i < segment.maps else i - segment.maps
            if segment.offsets[i] is not None:
                try:
                    segment.read(slot, 64 * KIB if i < segment.maps else MIB)
                except Damaged as e:
                    damaged(e)
    return n


def verify_root(node, root, before, damaged):
    if before and before.seq == root.seq - 1 and before.hash != root.previous_hash:
        damaged(Damaged('root %d: the root before is not the one that it was built on' % root.seq))
    for disk in root.disks:
        map_ = Map(node, root, disk)
        for index, leaf in map_.leaves(damaged):
            for i in leaf.data():
                try:
                    map_.block(leaf, index, i)
                except Damaged as e:
                    damaged(e)


def verify_node(node, damaged):
    copy = node.repository.get(node.prefix + 'h')
    if copy is None:
        damaged(Damaged(node.prefix + 'h: is missing'))
    else:
        try:
            head = node.repository.get('h')
            node.repository.header_check(copy, node.prefix + 'h',
                                         node.keys(node.repository.epoch, 'h').header)
            need(copy[:88] == head[:88], node.prefix + 'h: differs from h')
        except Damaged as e:
            damaged(e)
    segments = verify_segments(node, damaged)
    before, roots, forgotten = None, 0, node.forgotten()
    for seq in node.numbers('p'):
        if before and seq != before.seq + 1 and seq - 1 not in forgotten:
            print('note: the roots between %d and %d are gone' % (before.seq, seq))
        try:
            root = node.root(seq)
            verify_root(node, root, before, damaged)
        except Damaged as e:
            damaged(e)
            before = None
            continue
        before, roots = root, roots + 1
    print('%s %d roots, %d segments' % (node.prefix, roots, segments))


def verify(repository, args):
    bad = set()

    def damaged(e):
        if str(e) not in bad:
            complain(e)
        bad.add(str(e))

    for node in [repository.node(args.node)] if args.node else repository.nodes():
        verify_node(node, damaged)
    return 5 if bad else 0


def main():
    parser = argparse.ArgumentParser(description='Reads S3Block repositories in a folder.')
    parser.add_argument('--repository', required=True, metavar='FOLDER')
    secret = parser.add_mutually_exclusive_group(required=True)
    secret.add_argument('--passphrase-file', metavar='FILE')
    secret.add_argument('--key-file', metavar='FILE')
    secret.add_argument('--recovery-key', metavar='TEXT')
    parser.add_argument('--node', metavar='NAME|UUID', help='needed if there are several')
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('points').set_defaults(run=points)
    command = commands.add_parser('restore')
    command.set_defaults(run=restore)
    command.add_argument('--point', default='latest', metavar='N|latest')
    command.add_argument('--disk', type=int, metavar='N')
    command.add_argument('--to', required=True, metavar='FILE')
    commands.add_parser('verify').set_defaults(run=verify)
    args = parser.parse_args()
    try:
        return args.run(Repository(args.repository, Secret(args)), args)
    except Damaged as e:
        complain(e)
        return 5
    except (Failed, OSError) as e:
        print('failed: %s' % e, file=sys.stderr)
        return 1


if __name__ == '__main__':
    sys.exit(main())
