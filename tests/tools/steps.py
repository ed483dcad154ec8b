# SPDX-License-Identifier: Apache-2.0
"""steps.py WORK SEED - the proof of tests/integration/test-steps-survive-kills.sh: a sync in each
of several states of a machine is killed, or fails, at each step of its tracker and its snapshot
provider. Which steps there are a run without a fault tells."""
import os
import random
import sys

from machine import Failure, Machine, want

SOAK = os.environ.get('DISKSYNC_SOAK', '0') not in ('', '0')
DISKS = ['disk0.raw', 'disk1.raw']
GRAIN = 65536
BLOCK = 16384

# Every one of these must have been come to in some state; both, before and after.
NAMES = {'snapshot': ('open', 'probe', 'sweep', 'create', 'facts', 'views', 'read', 'altered',
                      'health', 'finish', 'release', 'close'),
         'tracker': ('open', 'probe', 'attach', 'generation', 'cut', 'changes', 'mark', 'commit',
                     'abort', 'close')}
# Written inside the snapshot, in both disks; in pieces of their own.
ALTERED = {'altered': '["0:1200000+3000", "1:700000+100"]', 'alter': 'true', 'read': 'true'}


class Steps:
    def __init__(self, work, seed):
        self.random = random.Random(seed)
        self.m = Machine(work)
        self.reached, self.killed = set(), 0
        self.what = 'the beginning'     # that is going on, for messages

    # ---- the machine ----

    def noise(self, n):
        return self.random.randbytes(n)

    def make_disks(self):
        for disk, size in (DISKS[0], 2 << 20), (DISKS[1], 1 << 20):
            with open(self.m.path(disk), 'wb') as f:
                f.truncate(size + 1536)
                for at in range(0, size, 16384):
                    if self.random.random() < 0.6:
                        f.seek(at + 512)
                        f.write(self.noise(40))
                f.seek(size)
                f.write(b'the end, within a block')
        self.m.disks = list(DISKS)

    def some_writes(self, disks=DISKS[:1]):
        for disk in disks:
            size = os.path.getsize(self.m.path(disk))
            for _ in range(3):
                n = self.random.choice((1, 700, 20000))
                at = self.random.choice((0, size - n, self.random.randrange(size - n)))
                zero = self.random.random() < 0.2
                self.m.write(disk, at, bytes(n) if zero else self.noise(min(n, 90)))

    def check_live(self, what, run):
        """The point that this sync made is the live disks, which nobody has written to since."""
        number = run.json['point']
        for disk in self.m.disks:
            with open(self.m.path(disk), 'rb') as f, \
                 open(f'{self.m.was}/{number}/{disk}', 'rb') as g:
                want(f.read() == g.read(), f'{what}: the snapshot is not the disk')
        self.m.check_all(only={number})
        want(not self.m.left_open(), f'{what}: left behind: {self.m.left_open()}')

    def next_ones(self, what, before, mode):
        """What must hold behind a sync that did not end: everything listed, and the next two."""
        points = self.m.check_all(before)
        self.some_writes()
        committed = set(points) - set(before)
        mode = 'incremental' if committed else mode
        run = self.m.sync()
        want(run.status == 0, f'{what}: the next sync: {run}')
        want(set(run.modes().values()) == {mode},
             f'{what}: the next sync should be {mode}: {run.json["disks"]}')
        self.check_live(f'{what}, the next sync', run)
        self.some_writes(DISKS)
        run = self.m.sync()
        want(run.status == 0, f'{what}: the sync after the next: {run}')
        want(set(run.modes().values()) == {'incremental'},
             f'{what}: the sync after the next should be incremental: {run.json["disks"]}')
        self.check_live(f'{what}, the sync after the next', run)

    # ---- states of the machine, each with the sync that will be killed ----

    def prepare_states(self):
        """name -> (arguments, options, mode that it has, mode of the next one if it commits not)"""
        m, o = self.m, {'snapshot': ALTERED}
        self.make_disks()
        m.register()
        m.save('registered')
        self.sync_well()
        self.some_writes(DISKS)
        self.sync_well()
        self.some_writes()      # disk1 is unchanged
        m.save('base')
        m.tell(f'lose {m.path(DISKS[0])} as the test wants it')
        m.write(DISKS[0], 9 * GRAIN, self.noise(3000), told=False)
        self.some_writes()
        m.save('lost')
        self.from_base('tracker commit:before:1')
        m.save('committed')
        self.from_base('tracker commit:before:2')
        m.save('half')
        self.from_base('snapshot health:before:1')
        m.save('aborted')
        failing = {'snapshot': dict(ALTERED, fail_at='health')}
        return {
            'registered': ([], o, 'full', 'full'),
            'base': ([], o, 'incremental', 'incremental'),
            'base, full': (['--full'], o, 'full', 'incremental'),
            'base, compare': (['--compare'], o, 'compare', 'incremental'),
            'base, failing': ([], failing, None, 'incremental'),
            'lost': ([], o, None, None),
            'committed': ([], o, 'incremental', 'incremental'),
            'committed, full': (['--full'], o, 'full', 'incremental'),
            'half': ([], o, 'incremental', 'incremental'),
            'aborted': ([], o, 'incremental', 'incremental'),
        }

    def sync_well(self):
        run = self.m.sync()
        want(run.status == 0, f'a sync of the beginning: {run}')

    def from_base(self, step):
        self.m.put_back('base')
        run = self.m.sync(**self.with_option({'snapshot': ALTERED}, step, 'die_at'))
        want(run.killed, f'not killed at {step}: {run}')
        self.some_writes()

    @staticmethod
    def with_option(options, step, key):
        plugin, name = step.split()
        out = {k: dict(v) for k, v in options.items()}
        out.setdefault(plugin, {})[key] = name
        return out

    def choose(self, steps, parts):
        """All in soak. Else one of each name, with 1 part of it; with 2, both before and after;
        with 0, two of all."""
        if SOAK:
            return steps
        if not parts:
            return sorted(self.random.sample(steps, 2), key=steps.index)
        by_name = {}
        for step in steps:
            by_name.setdefault(tuple(step.split(':')[:parts]), []).append(step)
        return [self.random.choice(by_name[name]) for name in by_name]

    def kills(self, name, arguments, options, mode, next_mode):
        m, state = self.m, name.split(',')[0]
        self.what = name
        m.put_back(state)
        before = sorted(m.promised)
        run = m.sync(*arguments, **options)
        if mode:
            want(run.status == 0 and set(run.modes().values()) == {mode}, f'{name}: {run}')
        elif name == 'lost':
            self.check_modes_of_lost(run)
        steps = list(dict.fromkeys(run.steps))
        self.reached.update(step.rsplit(':', 1)[0] for step in steps)
        chosen = self.choose(steps, {'base': 2, 'aborted': 1}.get(name, 0))
        for step in chosen:
            m.put_back(state)
            what = self.what = f'{name}, killed at {step}'
            run = m.sync(*arguments, **self.with_option(options, step, 'die_at'))
            # workers read in any order and number: such a step may not come
            want(run.killed or ' read:' in step, f'{what}: it lives: {run}')
            self.killed += run.killed
            if name == 'lost':
                self.next_of_lost(what, before)
            else:
                self.next_ones(what, before, next_mode)
        print(f'{name}: {len(steps)} steps, killed at {len(chosen)}')

    def next_of_lost(self, what, before):
        """One disk's changes are lost until a sync has committed; the other's are not."""
        committed = set(self.m.check_all(before)) - set(before)
        run = self.m.sync()
        self.check_modes_of_lost(run, 'incremental' if committed else 'compare')
        self.check_live(what, run)

    def check_modes_of_lost(self, run, mode='compare'):
        want(run.status == 0, f'{run}')
        want([run.modes()[disk] for disk in DISKS] == [mode, 'incremental'],
             f'the modes should be {mode} and incremental: {run.json["disks"]}')

    # ---- errors in place of kills ----

    def fails(self, name, arguments, options, mode, next_mode):
        m, state = self.m, name.split(',')[0]
        m.put_back(state)
        before = sorted(m.promised)
        steps = m.sync(*arguments, **options).steps
        steps = [s for s in dict.fromkeys(steps) if s.split()[1].split(':')[0] not in
                 ('release', 'close')]  # these can't fail
        for step in self.choose(steps, 1 if name == 'base' else 0):
            m.put_back(state)
            what = self.what = f'{name}, {step} fails'
            run = m.sync(*arguments, **self.with_option(options, step, 'fail_at'))
            self.check_failure(what, step, run, 'committed' in name or 'half' in name)
            self.next_ones(what, before, next_mode)
        print(f'{name}: {len(steps)} steps can fail')

    def check_failure(self, what, step, run, sweeps):
        plugin, name = step.split()
        name = name.split(':')[0]
        said = f'{plugin}-scripted: scripted failure of {name}'
        if name == 'read' and run.status == 0:
            self.check_unreadable(what, run)
            return
        want(said in run.said, f'{what}: {said} is not what it says: {run}')
        late = name == 'finish' or (name == 'commit' and run.status == 0)
        if late:    # the point is there; the next sync tidies up
            want(run.status == 0, f'{what}: the point was committed: {run}')
        else:
            want(run.status == 1 and run.error() == 'io', f'{what}: {run}')

    def check_unreadable(self, what, run):
        """A piece that failed was read again block by block; one that was a single block is BAD in
        this point, restores as zeros, and must be whole in the next."""
        number, bad = run.json['point'], run.json['unreadable_bytes']
        want(bad <= BLOCK, f'{what}: {bad} bytes count as unreadable')
        for disk in self.m.disks if bad else ():
            was = f'{self.m.was}/{number}/{disk}'
            got = self.m.restore(number, disk)
            with open(was, 'rb') as f, open(got, 'rb') as g:
                a, b = f.read(), g.read()
            for at in range(0, len(a), BLOCK):
                if a[at:at + BLOCK] != b[at:at + BLOCK]:
                    want(not any(b[at:at + BLOCK]) and bad, f'{what}: more than a block differs')
                    bad = 0
                    with open(was, 'r+b') as f:
                        f.seek(at)
                        f.write(b[at:at + BLOCK])

    # ---- snapshots that are lost, writes at the wrong time ----

    def lost_snapshots(self):
        """64 MiB that don't shrink, in segments of 16 MiB: those that are full are sent."""
        m = self.m
        m.put_back('registered')
        big = 'big.raw'
        with open(m.path(big), 'wb') as f:
            f.write(self.noise(64 << 20))
        m.disks = [big]
        m.save('big')
        reads = sum(s.startswith('snapshot read:after') for s in
                    m.sync(snapshot={'read': 'true'}).steps)
        for percent in 0, 50, 99:
            m.put_back('big')
            m.disks = [big]
            after = str(reads * percent // 100)
            run = m.sync(snapshot={'lost_after': after})
            what = self.what = f'lost at {percent} %'
            want(run.status == 1 and run.error() == 'snapshot-lost', f'{what}: {run}')
            want('snapshot-scripted: ' in run.said and 'scripted cause' in run.said,
                 f'{what}: no cause: {run}')
            want(not m.left_open(), f'{what}: left behind: {m.left_open()}')
            want(not m.points(), f'{what}: a point was listed')
            m.write(big, 5 << 20, self.noise(1000))
            run = m.sync()
            want(run.status == 0, f'{what}: the next sync: {run}')
            disk = run.json['disks'][0]
            sent, salvaged = disk['sent_bytes'], disk['salvaged_bytes']
            least = {0: 0, 50: 15, 99: 47}[percent] << 20
            want(salvaged >= least, f'{what}: only {salvaged} bytes were kept')
            want(64 << 20 <= sent + salvaged <= 65 << 20,
                 f'{what}: {sent} bytes sent, {salvaged} kept')
            self.check_live(what, run)
        print(f'lost at 0, 50 and 99 % of {reads} reads')
        os.unlink(m.path(big))
        m.disks = list(DISKS)

    def writes_while_it_runs(self):
        """A write at any step from the cut on is in the next point; one between cut and snapshot in
        this one and marked for the next; one that the copy sees nowhere is not in this one."""
        m = self.m
        m.put_back('base')
        plain = m.sync(snapshot={'read': 'true'})
        steps = list(dict.fromkeys(plain.steps))
        cut = steps.index('tracker cut:after:1')
        begin = min(cut, steps.index('snapshot create:after:1'))
        end = steps.index('snapshot release:before:1')
        for step in self.choose(steps[begin:end], 1):
            m.put_back('base')
            what = self.what = f'a write at {step}'
            at = self.random.randrange(16) * GRAIN
            block = self.noise(300)
            run = m.sync(snapshot={'read': 'true'},
                         waits={step: lambda: m.write(DISKS[1], at + 5, block)})
            if step not in run.steps and ' read:' in step:
                continue
            want(step in run.steps, f'{what}: it never came')
            want(run.status == 0 and set(run.modes().values()) == {'incremental'},
                 f'{what}: {run}')
            with open(f'{m.was}/{run.json["point"]}/{DISKS[1]}', 'rb') as f:
                f.seek(at + 5)
                frozen = f.read(300) == block
            early = steps.index(step) < steps.index('snapshot create:after:1')
            want(frozen == early, f'{what}: the snapshot has it: {frozen}')
            m.check_all()
            run = m.sync()
            want(run.status == 0 and set(run.modes().values()) == {'incremental'},
                 f'{what}: the next: {run}')
            self.check_live(what, run)
            want(run.json['disks'][1]['changed_bytes'] == GRAIN,
                 f'{what}: it was not looked at again: {run.json["disks"][1]}')
        print('writes while it runs')

    def gone_back(self):
        """A machine that goes back to the middle of a sync whose point was committed since. Between
        cut and snapshot the tracker holds that point's token, and lacks a write that it shows."""
        m = self.m
        where = ('tracker cut:after:1', 'snapshot create:after:1', 'snapshot altered:before:3',
                 'tracker commit:before:1', 'snapshot finish:before:1')
        for step in where:
            m.put_back('base')
            what = self.what = f'gone back to {step}'

            def moment():
                m.save('moment', with_store=False)
                m.write(DISKS[0], 3 * GRAIN, self.noise(500))
            run = m.sync(snapshot=ALTERED, waits={step: moment})
            want(run.status == 0 and step in run.steps, f'{what}: {run}')
            m.put_back('moment', with_store=False)
            os.unlink(m.wait_file) if os.path.exists(m.wait_file) else None
            run = m.sync()
            want(run.status == 0, f'{what}: {run}')
            self.check_live(what, run)
            m.check_all()
            self.next_ones(what, sorted(m.promised), 'incremental')
        print('gone back to the middle of a sync')

    def skipped_in_part(self):
        """What was not worth keeping is, the next time, and nobody has written it since."""
        m = self.m
        self.what = 'skipped once'
        m.put_back('base')
        for block in 5, 8:      # else they are not read
            m.write(DISKS[0], block * BLOCK, self.noise(2000))
        run = m.sync(snapshot={'skip': f'["0:{5 * BLOCK + 100}+{3 * BLOCK}"]'})
        want(run.status == 0, f'a sync that skips: {run}')
        run = m.sync()
        want(run.status == 0 and set(run.modes().values()) == {'incremental'}, f'{run}')
        self.check_live(self.what, run)

    # ---- files in place of plugins ----

    def killed_around_the_root(self):
        """At the operations on store and state between the last look at the snapshot and the end:
        the root and what the state folder learns of it."""
        m, faultfs = self.m, os.environ['FAULTFS']
        m.put_back('base')
        count = f'{m.work}/count'
        fault = {'FAULTFS_ROOTS': f'{m.store}:{m.state}', 'LD_PRELOAD': faultfs}
        run = m.sync(snapshot=ALTERED, environment=dict(fault, FAULTFS_COUNT=count))
        want(run.status == 0, f'under faultfs: {run}')
        with open(count) as f:
            total = int(f.read().split()[-1])
        moments = range(max(1, total - 60), total + 1)
        if not SOAK:
            moments = sorted(self.random.sample(moments, 8))
        before = None
        for n in moments:
            self.what = f'killed at file operation {n}'
            m.put_back('base')
            before = before or sorted(m.promised)
            m.sync(snapshot=ALTERED, environment=dict(fault, FAULTFS_KILL_AT=str(n)))
            self.next_ones(self.what, before, 'incremental')
        print(f'killed at {len(moments)} of the last of {total} file operations')

    def go(self):
        states = self.prepare_states()
        for name, (arguments, options, mode, next_mode) in states.items():
            self.kills(name, arguments, options, mode, next_mode)
        for plugin, names in NAMES.items():
            for name in names:
                for when in 'before', 'after':
                    want(f'{plugin} {name}:{when}' in self.reached,
                         f'no sync came to {plugin} {name}:{when}')
        for name in 'registered', 'base', 'committed', 'aborted':
            self.fails(name, *states[name])
        self.writes_while_it_runs()
        self.gone_back()
        self.skipped_in_part()
        self.killed_around_the_root()
        self.lost_snapshots()
        print(f'{self.killed} syncs were killed; {self.m.runs} runs of the program')


if __name__ == '__main__':
    steps = Steps(sys.argv[1], int(sys.argv[2]))
    try:
        steps.go()
    except Failure as failure:
        sys.exit(f'FAIL: {steps.what}: {failure}')
