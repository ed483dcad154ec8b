# SPDX-License-Identifier: Apache-2.0
"""lives.py WORK SEED LIVES - the model of tests/integration/test-model-of-processes.sh. The oracle
is the bitmap in the snapshot itself: disks begin with the header of fsmap-scripted.c, or have no
file system at all; a restored disk must agree with the snapshot in every used cluster."""
import os
import random
import struct
import sys

from machine import Failure, Machine, want

DISKS = 'a.raw', 'b.raw', 'c.raw'
CLUSTER = 4096
BITMAP_AT = 4096
SECTOR = 512
SYNCS = 18  # of a life

STEPS = [('snapshot', name, n) for name, n in (
    ('open', 1), ('probe', 3), ('sweep', 1), ('create', 1), ('facts', 1), ('views', 3),
    ('read', 12), ('altered', 6), ('health', 2), ('finish', 1), ('release', 1), ('close', 1))]
STEPS += [('tracker', name, n) for name, n in (
    ('open', 1), ('probe', 3), ('attach', 3), ('generation', 9), ('cut', 1), ('changes', 6),
    ('mark', 2), ('commit', 3), ('abort', 3), ('close', 1))]


def used_ranges(image):
    """What of an image holds valid data, as fsmap-scripted tells it."""
    size = len(image)
    if image[:8] != b'scripted':
        return [(0, size)]
    cluster, _, n = struct.unpack('<IIQ', image[8:24])
    if cluster == 0 or n > size // cluster:
        return [(0, size)]
    bitmap = image[BITMAP_AT:BITMAP_AT + (n + 7) // 8]
    ranges = [(0, BITMAP_AT + len(bitmap)), (n * cluster, size)]
    return ranges + [(i * cluster, (i + 1) * cluster) for i in range(n)
                     if bitmap[i // 8] >> i % 8 & 1]


def outside(ranges, skips):
    """The ranges without the skipped ones."""
    for at, end in skips:
        cut = []
        for a, b in ranges:
            cut += [(x, y) for x, y in ((a, min(b, at)), (max(a, end), b)) if x < y]
        ranges = cut
    return ranges


class Life:
    def __init__(self, machine, seed):
        self.m, self.seed = machine, seed
        self.random = random.Random(seed)
        self.present = []
        self.moments = 0
        self.moment = None        # what of this object goes back with the machine
        self.written_free = []    # (disk, cluster): nothing used them when they were written
        self.skips = {}           # point -> disk -> skipped ranges
        self.settled = False      # the newest root is of this instance
        self.full_next = False    # a disk is smaller than the newest root may know it
        self.sums = dict.fromkeys(('points', 'full', 'incremental', 'compare', 'killed', 'failed',
                                   'refused', 'went back', 'forgotten'), 0)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    # ---- disks ----

    def size(self, disk):
        return os.path.getsize(self.m.path(disk))

    def make_disk(self, disk):
        size = self.random.randrange(700, 8000) * SECTOR
        with open(self.m.path(disk), 'wb') as f:
            f.truncate(size)
        if self.random.random() < 0.8:
            self.make_fs(disk)
        for _ in range(30):
            self.write_some(disk)

    def make_fs(self, disk):
        n = self.size(disk) // CLUSTER
        self.m.write(disk, 0, struct.pack('<8sIIQ', b'scripted', CLUSTER, 0, n) + bytes(16))
        self.m.write(disk, BITMAP_AT, bytes((n + 7) // 8))

    def clusters(self, disk):
        """How many clusters there are; 0: there is no file system."""
        with open(self.m.path(disk), 'rb') as f:
            head = f.read(24)
        return struct.unpack('<Q', head[16:])[0] if head[:8] == b'scripted' else 0

    def set_used(self, disk, cluster, used):
        with open(self.m.path(disk), 'rb') as f:
            f.seek(BITMAP_AT + cluster // 8)
            byte = f.read(1)[0]
        bit = 1 << cluster % 8
        self.m.write(disk, BITMAP_AT + cluster // 8,
                     bytes([byte | bit if used else byte & ~bit]))

    def content(self, disk, at, n):
        """Zeros, something new, or what was there in a snapshot."""
        roll = self.random.random()
        if roll < 0.15:
            return bytes(n)
        points = sorted(self.m.promised)
        if roll < 0.3 and points:
            was = f'{self.m.was}/{self.random.choice(points)}/{disk}'
            if os.path.exists(was):
                with open(was, 'rb') as f:
                    f.seek(at)
                    data = f.read(n)
                return data or bytes(n)
        return self.random.randbytes(min(n, 64)).ljust(n, b'.')

    def write_some(self, disk, told=True):
        """A write, or a cluster that becomes used or free without one."""
        n = self.clusters(disk)
        if n < 4:
            length = self.random.choice((1, 512, 9000))
            at = self.random.randrange(self.size(disk) - length)
            self.m.write(disk, at, self.content(disk, at, length), told)
            return
        first = 2 + BITMAP_AT // CLUSTER
        cluster = self.random.randrange(first, n)
        run = 1 if self.chance(80) else self.random.randrange(1, 12)
        what = self.random.choice(('used', 'used', 'free', 'free', 'becomes used', 'becomes used',
                                   'freed', 'freed', 'as it is'))
        if what == 'becomes used' and self.chance(70):  # the case that the plainer rule loses
            old = [c for d, c in self.written_free[-40:] if d == disk and c < n]
            cluster = self.random.choice(old or [cluster])
        for i in range(cluster, min(cluster + run, n)):
            if what in ('used', 'free', 'as it is'):
                self.m.write(disk, i * CLUSTER, self.content(disk, i * CLUSTER, CLUSTER), told)
            if what in ('used', 'becomes used'):
                self.set_used(disk, i, True)
            elif what in ('free', 'freed'):
                self.set_used(disk, i, False)
            if what == 'free':
                self.written_free.append((disk, i))

    def resize(self, disk):
        size = self.size(disk)
        by = self.random.randrange(1, 300) * SECTOR
        if self.chance(75):
            with open(self.m.path(disk), 'ab') as f:    # what is there, nobody tells of it
                f.write(self.random.randbytes(by) if self.chance(50) else bytes(by))
            if self.clusters(disk) and self.chance(50):
                self.make_fs(disk)
        elif size - by > 400 * SECTOR:
            os.truncate(self.m.path(disk), size - by)
            if self.clusters(disk):
                self.make_fs(disk)
            self.full_next = True

    def unseen_writes(self, disk):
        """The tracker notices before, or only after, that it missed some."""
        lose = f'lose {self.m.path(disk)} a write was missed'
        first = self.chance(50)
        if first:
            self.m.tell(lose)
        for _ in range(self.random.randrange(1, 6)):
            self.write_some(disk, told=False)
        if not first:
            self.m.tell(lose)

    def change(self):
        """What goes on in the machine at any time, in all its disks."""
        disks = [d for d in DISKS if os.path.exists(self.m.path(d))]
        for _ in range(self.random.randrange(12)):
            self.write_some(self.random.choice(disks))
        if self.chance(8):
            self.unseen_writes(self.random.choice(disks))
        if self.chance(4):
            self.keep_moment()

    # ---- the machine ----

    def keep_moment(self):
        self.m.save('moment', with_store=False)
        self.moment = list(self.present), self.m.instance

    def go_back(self):
        self.m.put_back('moment', with_store=False)
        self.present, self.m.instance = list(self.moment[0]), self.moment[1]
        self.m.disks = self.present
        self.full_next = True   # the newest root may know larger disks
        self.sums['went back'] += 1

    def turn_up_twice(self):
        """Another machine with this state is refused, until somebody says what it is."""
        self.m.instance += '0'
        run = self.m.sync()
        want(run.status == 3 and run.error() == 'clone', f'a clone: {run}')
        if self.chance(50):
            self.m.done('register', '--takeover')
            self.settled = False
        else:
            self.m.become_new()
            self.skips = {}
        self.moment = None
        self.sums['refused'] += 1

    def tracker_anew(self):
        """It knows nothing of earlier cuts: its first generation begins nowhere."""
        if os.path.exists(self.m.tracked):
            os.unlink(self.m.tracked)

    def go_or_come(self):
        disk = self.random.choice(DISKS)
        if disk not in self.present:
            if not os.path.exists(self.m.path(disk)):
                self.make_disk(disk)
            self.present.append(disk)
        elif len(self.present) > 1:
            self.present.remove(disk)
        self.m.disks = self.present

    def faults(self, n):
        return {'FAULTFS_ROOTS': f'{self.m.store}:{self.m.state}',
                'LD_PRELOAD': os.environ['FAULTFS'], 'FAULTFS_KILL_AT': str(n)}

    def forget(self):
        points = sorted(self.m.points())
        if len(points) < 3:
            return
        number = self.random.choice(points[:-1])
        for command in (['forget', '--point', str(number)], ['collect', '--no-grace']):
            if self.chance(40):
                self.m.run(*command, environment=self.faults(self.random.randrange(1, 25)))
            run = self.m.run(*command)
            want(run.status in (0, 4) or command[0] == 'forget' and run.status == 1,
                 f'{" ".join(command)}: {run}')
            if self.chance(30):
                return
        self.sums['forgotten'] += 1

    def between(self):
        self.change()
        if self.chance(8):
            self.resize(self.random.choice(self.present))
        if self.chance(8):
            self.go_or_come()
        if self.chance(3):
            self.tracker_anew()
        if self.moment and self.chance(8):
            self.go_back()
            self.change()
        if self.settled and self.m.promised and self.chance(3):
            self.turn_up_twice()
        if self.chance(12):
            self.forget()

    # ---- a sync ----

    def some_step(self):
        plugin, name, n = self.random.choice(STEPS)
        when = self.random.choice(('before', 'after'))
        return plugin, f'{name}:{when}:{self.random.randrange(n) + 1}'

    def extents(self, option):
        """Some extents for an option of the provider: its value, and disk -> ranges."""
        ranges, words = {}, []
        for i, disk in enumerate(self.present):
            at = BITMAP_AT + CLUSTER + self.random.randrange(self.size(disk) // 2)
            length = self.random.randrange(1, 60000)
            if at + length < self.size(disk):
                ranges[disk] = [(at, at + length)]
                words.append(f'"{i}:{at}+{length}"')
        return {option: f'[{", ".join(words)}]'} if words else {}, ranges

    def fate(self):
        """-> options of the run, may it fail, what its snapshot leaves out"""
        snapshot, tracker, environment, waits = {}, {}, None, {}
        may_fail, skips = False, {}
        if self.chance(50):
            snapshot['read'] = 'true'
        if self.chance(15):
            snapshot.update(self.extents('altered')[0], alter='true')
        if self.chance(12):
            words, skips = self.extents('skip')
            snapshot.update(words)
        if self.chance(4):
            tracker['lose'] = 'true'
        roll = self.random.randrange(100)
        if roll < 35:
            plugin, step = self.some_step()
            (snapshot if plugin == 'snapshot' else tracker)['die_at'] = step
        elif roll < 45:
            environment = self.faults(self.random.randrange(1, 60))
        elif roll < 55:
            plugin, step = self.some_step()
            if not step.startswith('read'):     # a BAD block is no failure of the sync
                (snapshot if plugin == 'snapshot' else tracker)['fail_at'] = step
                may_fail = True
        elif roll < 60:
            snapshot['lost_after'] = str(self.random.randrange(20))
            may_fail = True
        if self.chance(40):
            for _ in range(self.random.randrange(1, 4)):
                waits['{} {}'.format(*self.some_step())] = self.change
        elif self.chance(8):
            snapshot.pop('alter', None)
            snapshot['live'] = 'true'
        options = {'snapshot': snapshot, 'tracker': tracker, 'environment': environment,
                   'waits': waits}
        return options, may_fail, skips

    def sync(self):
        arguments = []
        if self.full_next and self.chance(50) or self.chance(3):
            arguments = ['--full']
        elif self.chance(5):
            arguments = ['--compare']
        options, may_fail, skips = self.fate()
        before = set(self.m.promised)
        run = self.m.sync(*arguments, **options)
        self.sums['killed'] += run.killed
        shrank = run.error() == 'disk-shrank' and self.full_next and arguments != ['--full']
        if not run.killed and run.status:
            scripted = may_fail and run.status == 1 and (
                'scripted failure of' in run.said or run.error() == 'snapshot-lost')
            want(scripted or shrank, f'a sync failed for no reason: {run}')
            self.sums['failed'] += 1
        for number in self.m.promised - before:
            self.skips[number] = skips
            self.sums['points'] += 1
            self.check(number)
        if run.status == 0:
            self.settled = True
            self.ended_well(run, arguments, options)

    def ended_well(self, run, arguments, options):
        if arguments == ['--full']:
            self.full_next = False
        for mode in run.modes().values():
            self.sums[mode] += 1
        if not options['tracker'].get('fail_at') and not options['snapshot'].get('fail_at'):
            want(not self.m.left_open(), f'left behind: {self.m.left_open()}')

    def check(self, number):
        if number not in self.m.points():
            self.m.forget_promise(number)   # forgotten since
            return
        skips = self.skips.get(number, {})

        def same(was, restored):
            with open(was, 'rb') as f, open(restored, 'rb') as g:
                a, b = f.read(), g.read()
            if len(a) != len(b):
                return f'it has {len(b)} bytes, not {len(a)}'
            for at, end in outside(used_ranges(a), skips.get(os.path.basename(was), ())):
                if a[at:end] != b[at:end]:
                    return f'used bytes {at} to {end} differ'
            return None
        self.m.check_point(number, same)

    def go(self):
        self.present = list(self.random.sample(DISKS, self.random.randrange(1, 4)))
        for disk in self.present:
            self.make_disk(disk)
        self.m.disks = self.present
        for _ in range(SYNCS):
            self.between()
            self.sync()
            if self.m.promised and self.chance(30):
                self.check(self.random.choice(sorted(self.m.promised)))
        for number in sorted(self.m.promised):
            self.check(number)
        if self.m.promised:
            self.m.done('verify', '--all')


def main(work, seed, lives):
    machine = Machine(work)
    machine.register()
    machine.save('registered')
    sums = {}
    print(f'{lives} lives from SEED={seed} on')
    for i in range(lives):
        machine.put_back('registered')
        machine.instance = 'machine-1'
        life = Life(machine, seed + i)
        try:
            life.go()
        except Failure as failure:
            sys.exit(f'FAIL: SEED={seed + i} LIVES=1 repeats it: {failure}')
        for key, n in life.sums.items():
            sums[key] = sums.get(key, 0) + n
    print(', '.join(f'{key} {n}' for key, n in sums.items()) +
          f'; {machine.runs} runs of the program')
    for key, n in sums.items():
        if not n and lives >= 100:
            sys.exit(f'FAIL: none of {lives} lives had: {key}')


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
