#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crashreplay.py - what a folder may look like after a crash, made from a log of faultfs.

    crashreplay.py --log LOG --initial COPY --target DIR [options] -- COMMAND...

LOG is what FAULTFS_LOG recorded while programs worked on one watched folder, COPY what the folder
held before. The log is cut behind every operation; for each cut some states that a crash at that
moment may leave are built in DIR, one after the other, and COMMAND is run on each. It is told by
its environment:

    CRASH_STATE    the folder (DIR, or DIR.1, DIR.2, ... with --jobs)
    CRASH_CUT      number of the operation that was the last one, 0 = none
    CRASH_VARIANT  how the state was chosen
    CRASH_EXITS    how many of the recorded programs had ended by themselves before the crash: what
                   they promised must hold

A status other than 0 is a state that the programs should have survived. COMMAND may change the
folder: it is put right before the next state. Without COMMAND the states are only counted.

The model is what POSIX promises and no more. The data of a file is durable after a sync of that
file; a name (create, rename, link, unlink, mkdir) after a sync of the folder that holds it; syncfs
makes all durable. What is not durable may be there or not:

    lost      nothing of it
    kept      everything: the state at the moment of the crash
    data      no names, all data
    torn      all names, and files of their full size whose unsynced bytes never arrived: the old
              bytes, or zeros where there were none
    short     all names and data, but each file's last unsynced write arrived in part
    random:N  N mixtures by a seed: of the names in each folder a first part, in order (a rename to
              another folder never leaves the file nowhere); of the writes to each file a first
              part, of whose pages of 4096 bytes all, some or none arrived, one of them torn

Sizes follow the writes; a write that is cut is cut at a multiple of 512 bytes. States that are
equal, with equal CRASH_EXITS, are tried once. With --actual DIR, the folder as the programs left
it, the end of the log must agree with it: what faultfs did not see would otherwise pass untested.
"""
import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import stat
import struct
import subprocess
import sys

HEADER = struct.Struct("<4sIQQQII")
(START, FILE, CREATE, TMPFILE, WRITE, TRUNCATE, ZERO, RENAME, LINK, UNLINK, MKDIR, RMDIR, SYNC,
 SYNC_ALL, EXIT) = range(1, 16)
NAMES = {CREATE: "create", TMPFILE: "create without a name", WRITE: "write", TRUNCATE: "truncate",
         ZERO: "zero", RENAME: "rename", LINK: "link", UNLINK: "unlink", MKDIR: "mkdir",
         RMDIR: "rmdir", SYNC: "sync", SYNC_ALL: "sync all", EXIT: "exit"}
PAGE, SECTOR = 4096, 512


class Failure(Exception):
    """The log, the copy and the model don't fit together."""


class Record:
    def __init__(self, op, file, a, b, first, second):
        self.op, self.file, self.a, self.b = op, file, a, b
        self.first, self.second = first, second

    def __str__(self):
        text = NAMES.get(self.op, "open")
        if self.op == WRITE:
            return f"{text} {len(self.first)} bytes at {self.a}"
        if self.op in (TRUNCATE, ZERO):
            return f"{text} {self.a} {self.b}"
        return " ".join([text] + [os.fsdecode(t) for t in (self.first, self.second) if t])


def read_log(path):
    """All whole records: a killed program may have left a part of one."""
    records = []
    with open(path, "rb") as log:
        while True:
            head = log.read(HEADER.size)
            if len(head) < HEADER.size:
                return records
            magic, op, file, a, b, n1, n2 = HEADER.unpack(head)
            if magic != b"FFSR" or not START <= op <= EXIT:
                raise Failure(f"{path}: no record at {log.tell() - HEADER.size}")
            first, second = log.read(n1), log.read(n2)
            if len(first) < n1 or len(second) < n2:
                return records
            records.append(Record(op, file, a, b, first, second))


class File:
    """Content now, content that is durable, and the operations in between."""
    serial = 0

    def __init__(self, data=b"", mode=0o600):
        File.serial += 1
        self.serial = File.serial
        self.mode = mode
        self.now = bytearray(data)
        self.durable = bytes(data)
        self.pending = []  # (WRITE, offset, data) | (TRUNCATE, size) | (ZERO, offset, length)
        self.version = self.durable_version = 0
        self.digests = {}

    def change(self, *operation):
        self.pending.append(operation)
        apply_operation(self.now, operation)
        self.version += 1

    def sync(self):
        if self.pending:
            self.durable = bytes(self.now)
            self.durable_version = self.version
            self.pending = []
            self.digests = {}

    def digest(self, version, data):
        """Of the content that this version stands for."""
        if version not in self.digests:
            self.digests[version] = hashlib.blake2b(data, digest_size=16).digest()
        return self.digests[version]


def write_at(data, offset, piece):
    if len(data) < offset:
        data.extend(bytes(offset - len(data)))
    data[offset:offset + len(piece)] = piece


def resize(data, size):
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))


def apply_operation(data, operation):
    if operation[0] == WRITE:
        write_at(data, operation[1], operation[2])
    elif operation[0] == TRUNCATE:
        resize(data, operation[1])
    else:
        write_at(data, operation[1], bytes(operation[2]))


class Change:
    """One step in the names of one folder: name -> node, or None where it goes."""

    def __init__(self, names):
        self.names = names
        self.needs = None  # (folder, change): without that one this would lose a file


class Folder:
    def __init__(self, mode=0o700):
        self.mode = mode
        self.now = {}
        self.durable = {}
        self.pending = []

    def change(self, names):
        change = Change(names)
        self.pending.append(change)
        apply_names(self.now, names)
        return change

    def sync(self, upto=None):
        """All that is pending, or the part up to and with one change."""
        n = len(self.pending) if upto is None else self.pending.index(upto) + 1
        part, self.pending = self.pending[:n], self.pending[n:]
        for change in part:
            apply_names(self.durable, change.names)
            if change.needs:
                folder, needed = change.needs
                if needed in folder.pending:
                    folder.sync(needed)


def apply_names(entries, names):
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def load(path):
    """A folder on disk as durable nodes; two names of one file stay one file."""
    seen = {}

    def load_folder(where):
        folder = Folder(stat.S_IMODE(os.stat(where).st_mode))
        for entry in os.scandir(where):
            info = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                node = load_folder(entry.path)
            elif entry.is_file(follow_symlinks=False):
                node = seen.get(info.st_ino)
                if node is None:
                    with open(entry.path, "rb") as file:
                        node = File(file.read(), stat.S_IMODE(info.st_mode))
                    seen[info.st_ino] = node
            else:
                raise Failure(f"{os.fsdecode(entry.path)} is neither file nor folder")
            folder.durable[entry.name] = folder.now[entry.name] = node
        return folder

    return load_folder(os.fsencode(path))


class Model:
    def __init__(self, root, initial):
        self.prefix = root
        self.root = load(initial)
        self.open = {}
        self.exits = 0

    def parts(self, path):
        if path == self.prefix:
            return []
        if not path.startswith(self.prefix + b"/"):
            raise Failure(f"{os.fsdecode(path)} is not in {os.fsdecode(self.prefix)}")
        return path[len(self.prefix) + 1:].split(b"/")

    def node(self, path):
        node = self.root
        for part in self.parts(path):
            node = node.now.get(part) if isinstance(node, Folder) else None
        if node is None:
            raise Failure(f"{os.fsdecode(path)} is in the log and not in the model: "
                          "was the copy made before the programs ran?")
        return node

    def place(self, path):
        """The folder that holds the name, and the name."""
        parts = self.parts(path)
        folder = self.node(self.prefix + b"".join(b"/" + p for p in parts[:-1]))
        return folder, parts[-1]

    def file(self, record):
        if record.file not in self.open:
            raise Failure("the log names a file that was never opened")
        return self.open[record.file]

    def add(self, path, node):
        folder, name = self.place(path)
        return folder.change({name: node})

    def rename(self, record):
        (folder, name), (to_folder, to_name) = self.place(record.first), self.place(record.second)
        node, other = folder.now[name], to_folder.now.get(to_name)
        if node is other:
            return  # two names of one file: POSIX says that nothing happens
        back = other if record.a & 1 else None
        if folder is to_folder:
            folder.change({name: back, to_name: node})
            return
        added = to_folder.change({to_name: node})
        folder.change({name: back}).needs = (to_folder, added)

    def sync_all(self, node):
        node.sync()
        if isinstance(node, Folder):
            for child in node.now.values():
                self.sync_all(child)

    def apply(self, record):
        """True if it is an operation behind which the log can be cut."""
        op = record.op
        if op == FILE:
            self.open[record.file] = self.node(record.first)
            return False
        if op == START:
            return False
        if op in (CREATE, TMPFILE):
            node = self.open[record.file] = File()
            if op == CREATE:
                self.add(record.first, node)
        elif op == WRITE:
            self.file(record).change(WRITE, record.a, record.first)
        elif op == TRUNCATE:
            self.file(record).change(TRUNCATE, record.a)
        elif op == ZERO:
            self.file(record).change(ZERO, record.a, record.b)
        elif op == RENAME:
            self.rename(record)
        elif op == LINK:
            self.add(record.second, self.file(record) if record.file else self.node(record.first))
        elif op == MKDIR:
            self.add(record.first, Folder())
        elif op in (UNLINK, RMDIR):
            self.add(record.first, None)
        elif op == SYNC:
            self.file(record).sync()
        elif op == SYNC_ALL:
            self.sync_all(self.root)
        elif op == EXIT:
            self.exits += 1
        return True


class Choice:
    """One of the states that the model may have after a crash."""

    def __init__(self, model, variant, seed):
        self.variant = variant
        self.random = random.Random(seed)
        self.prefixes = {}
        self.contents = {}
        if variant == "random":
            self.choose_names(model.root)
        self.files, self.folders = {}, {}  # path -> (mode, digest, data), path -> mode
        self.walk(model.root, b"")

    def choose_names(self, root):
        """A first part of what is pending in each folder there is or may be."""
        found, todo = {}, [root]
        while todo:
            folder = todo.pop()
            if id(folder) in found:
                continue
            found[id(folder)] = folder
            nodes = list(folder.durable.values())
            for change in folder.pending:
                nodes += [n for n in change.names.values() if n is not None]
            todo += [n for n in nodes if isinstance(n, Folder)]
        for key, folder in found.items():
            n = len(folder.pending)
            self.prefixes[key] = self.random.choice([0, n, self.random.randint(0, n)])
        again = True
        while again:
            again = False
            for key, folder in found.items():
                for i, change in enumerate(folder.pending[:self.prefixes[key]]):
                    if change.needs and not self.has(*change.needs):
                        self.prefixes[key] = i
                        again = True
                        break

    def has(self, folder, change):
        kept = folder.pending[:self.prefixes.get(id(folder), 0)]
        return change in kept or change not in folder.pending

    def names(self, folder):
        if self.variant in ("lost", "data"):
            return folder.durable
        if self.variant != "random":
            return folder.now
        entries = dict(folder.durable)
        for change in folder.pending[:self.prefixes.get(id(folder), 0)]:
            apply_names(entries, change.names)
        return entries

    def content(self, file):
        """(digest, data): chosen once for all names of a file."""
        if file.serial not in self.contents:
            self.contents[file.serial] = self.choose_content(file)
        return self.contents[file.serial]

    def choose_content(self, file):
        if not file.pending or self.variant == "lost":
            version, data = file.durable_version, file.durable
        elif self.variant in ("kept", "data"):
            version, data = file.version, file.now
        elif self.variant == "torn":
            version, data = ("torn", file.version), self.arrived(file, len(file.pending), 0)
        elif self.variant == "short":
            data = self.cut_short(file)
            return hashlib.blake2b(data, digest_size=16).digest(), data
        else:
            n = len(file.pending)
            data = self.arrived(file, self.random.choice([0, n, n, self.random.randint(0, n)]),
                                self.random.choice([0, 0.5, 0.5, 1]))
            return hashlib.blake2b(data, digest_size=16).digest(), data
        return file.digest(version, data), data

    def arrived(self, file, n, share):
        """The first n operations on the durable content, of whose pages only a share arrived."""
        data = bytearray(file.durable)
        torn = self.random.randrange(n) if n and 0 < share < 1 else -1
        for i, operation in enumerate(file.pending[:n]):
            if operation[0] != WRITE or share == 1:
                apply_operation(data, operation)
                continue
            offset, piece = operation[1:]
            resize(data, max(len(data), offset + len(piece)))
            if share == 0:
                continue
            at = 0
            while at < len(piece):
                end = min(len(piece), at + PAGE - (offset + at) % PAGE)
                if i == torn and end - at > SECTOR and self.random.random() < 0.5:
                    part = self.random.randrange(SECTOR, end - at, SECTOR)
                    write_at(data, offset + at, piece[at:at + part])
                elif self.random.random() < share:
                    write_at(data, offset + at, piece[at:end])
                at = end
        return data

    def cut_short(self, file):
        writes = [i for i, operation in enumerate(file.pending) if operation[0] == WRITE]
        if not writes:
            return file.now
        data = bytearray(file.durable)
        for i, operation in enumerate(file.pending[:writes[-1] + 1]):
            if i == writes[-1]:
                offset, piece = operation[1:]
                part = self.random.randrange(len(piece) // SECTOR + 1) * SECTOR
                part = part if part < len(piece) else len(piece) // 2
                operation = (WRITE, offset, piece[:part])
            apply_operation(data, operation)
        return data

    def walk(self, folder, path):
        for name, node in self.names(folder).items():
            where = path + b"/" + name
            if isinstance(node, Folder):
                self.folders[where] = node.mode
                self.walk(node, where)
            else:
                self.files[where] = (node.mode,) + self.content(node)

    def key(self, exits):
        entries = sorted((path, entry[1]) for path, entry in self.files.items())
        return exits, tuple(entries), tuple(sorted(self.folders))


class Target:
    """A folder that is turned from one state into the next by what differs."""

    def __init__(self, path):
        self.path = os.fsencode(os.path.abspath(path))
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path, mode=0o700)
        self.known = {}  # path -> (digest, what the file was when it was written)

    @staticmethod
    def signature(info):
        return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns

    def clean(self, choice, path=b""):
        """Removes what does not belong there or was changed."""
        for entry in list(os.scandir(self.path + path)):
            where = path + b"/" + entry.name
            if entry.is_dir(follow_symlinks=False):
                if where in choice.folders:
                    self.clean(choice, where)
                else:
                    shutil.rmtree(entry.path)
                continue
            wanted, have = choice.files.get(where), self.known.get(where)
            if not wanted or not have or have[0] != wanted[1] or \
                    have[1] != self.signature(entry.stat(follow_symlinks=False)):
                os.unlink(entry.path)

    def build(self, choice):
        self.clean(choice)
        for where, mode in sorted(choice.folders.items()):
            path = self.path + where
            if not os.path.isdir(path):
                os.mkdir(path)
            os.chmod(path, mode)
        known = {}
        for where, (mode, digest, data) in choice.files.items():
            path = self.path + where
            if not os.path.exists(path):
                with open(path, "wb") as file:
                    file.write(data)
                os.chmod(path, mode)
            known[where] = (digest, self.signature(os.stat(path)))
        self.known = known


class Run:
    """The states of a part of the cuts, in one process."""

    def __init__(self, options, records, root, number):
        self.options = options
        self.records = records
        self.model = Model(root, options.initial)
        suffix = f".{number}" if options.jobs > 1 else ""
        self.target = Target(options.target + suffix)
        self.seen = set()
        self.states = self.failed = 0
        self.failures = []

    def variants(self, cut):
        for word in self.options.variants.split(","):
            name, _, n = word.partition(":")
            for i in range(int(n or 1)):
                yield name, f"{self.options.seed}/{cut}/{word}/{i}", f"{name}-{i}" if n else name

    def check(self, cut, record):
        for name, seed, label in self.variants(cut):
            choice = Choice(self.model, name, seed)
            self.states += 1
            key = choice.key(self.model.exits)
            if key in self.seen:
                continue
            self.seen.add(key)
            if not self.options.command:
                continue
            self.target.build(choice)
            self.run(cut, label, record, choice)

    def run(self, cut, label, record, choice):
        environment = dict(os.environ, CRASH_STATE=os.fsdecode(self.target.path),
                           CRASH_CUT=str(cut), CRASH_VARIANT=label,
                           CRASH_EXITS=str(self.model.exits))
        done = subprocess.run(self.options.command, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode == 0:
            return
        self.failed += 1
        if len(self.failures) >= self.options.show:
            return
        kept = ""
        if self.options.keep:
            kept = os.path.join(self.options.keep, f"cut-{cut}-{label}")
            Target(kept).build(choice)
            kept = f"; kept in {kept}"
        output = done.stdout.decode(errors="replace").strip().splitlines()[-8:]
        self.failures.append(f"behind operation {cut} ({record}), {label}: status "
                             f"{done.returncode}{kept}\n" + "".join(f"    {x}\n" for x in output))

    def cuts(self, wanted):
        """Goes through the whole log and stops at the cuts of `wanted`."""
        cut = 0
        if 0 in wanted:
            self.check(0, "none")
        for record in self.records:
            if self.model.apply(record):
                cut += 1
                if cut in wanted:
                    self.check(cut, record)
        return self.states, len(self.seen), self.failed, self.failures


def run_part(arguments):
    options, records, root, number, wanted = arguments
    return Run(options, records, root, number).cuts(wanted)


def check_end(options, records, root):
    """The log, replayed to its end, must give what is really there."""
    model = Model(root, options.initial)
    for record in records:
        model.apply(record)
    told, there = Choice(model, "kept", 0), Choice(Model(root, options.actual), "kept", 0)
    for path in sorted({*told.files, *told.folders, *there.files, *there.folders}):
        if (path in told.folders) != (path in there.folders) or \
                told.files.get(path, (0, 0))[1] != there.files.get(path, (0, 0))[1]:
            raise Failure(f"{os.fsdecode(path)}: the log and {options.actual} don't agree: "
                          "a write that faultfs did not see?")


def choose_cuts(options, total):
    """All, or max_cuts of them spread evenly, each moved a little by the seed."""
    if not options.max_cuts or options.max_cuts > total:
        return list(range(total + 1))
    rng = random.Random(options.seed)
    step = (total + 1) / options.max_cuts
    chosen = {int(i * step + rng.random() * step) for i in range(options.max_cuts)}
    return sorted({min(c, total) for c in chosen} | {total})


def parse_arguments():
    parser = argparse.ArgumentParser(
        description="Runs COMMAND on the states that a crash may leave. See the head of this file.")
    parser.add_argument("--log", required=True)
    parser.add_argument("--initial", required=True, help="the watched folder before the first run")
    parser.add_argument("--target", required=True, help="where states are built; it is emptied")
    parser.add_argument("--actual", help="the watched folder after the last run")
    parser.add_argument("--variants", default="lost,kept,data,torn,short,random:2")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--max-cuts", type=int, default=0, help="at most so many cuts; 0: all")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", help="folder for the states that failed")
    parser.add_argument("--show", type=int, default=5, help="failures told in full, per job")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    for word in options.variants.split(","):
        name, _, n = word.partition(":")
        if name not in ("lost", "kept", "data", "torn", "short", "random") or \
                (n and not n.isdigit()):
            parser.error(f"unknown variant {word}")
    return options


def main():
    options = parse_arguments()
    records = read_log(options.log)
    roots = {record.first for record in records if record.op == START}
    if len(roots) != 1:
        raise Failure(f"{options.log} tells of {len(roots)} watched folders, not of one")
    if options.actual:
        check_end(options, records, list(roots)[0])
    total = sum(1 for record in records if record.op not in (START, FILE))
    cuts = choose_cuts(options, total)
    jobs = options.jobs = max(1, min(options.jobs, len(cuts)))
    size = (len(cuts) + jobs - 1) // jobs
    parts = [(options, records, list(roots)[0], i + 1, set(cuts[i * size:(i + 1) * size]))
             for i in range(jobs)]
    if jobs == 1:
        results = [run_part(parts[0])]
    else:
        with multiprocessing.get_context("fork").Pool(jobs) as pool:
            results = pool.map(run_part, parts)
    states, distinct, failed = (sum(r[i] for r in results) for i in range(3))
    for result in results:
        for failure in result[3]:
            print(failure, end="")
    print(f"crashreplay: {total} operations, {len(cuts)} cuts, {states} states, {distinct} of them "
          f"different, {failed} failed (seed {options.seed})")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError) as problem:
        print(f"crashreplay: {problem}", file=sys.stderr)
        sys.exit(2)
