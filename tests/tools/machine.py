# SPDX-License-Identifier: Apache-2.0
"""A small machine for tests that run the program against the scripted plugins: image files as its
disks, of whose writes the scripted tracker is told; a state folder; a directory store. All that a
clone or a revert of the machine would take along is in one folder, `node`; the store is beside it.

A run of the program can be killed at a step of a plugin, or made to fail there, or wait there while
the test writes (see tests/plugins/script.h). What each point must hold is taken from the copies
that the scripted provider makes, the moment the program has ended."""
import filecmp
import glob
import json
import os
import re
import shutil
import subprocess
import time

MODULES = 'snapshot-scripted', 'tracker-scripted', 'fsmap-scripted', 'transport-dir'


class Failure(Exception):
    pass


def want(condition, text):
    if not condition:
        raise Failure(text)


def copy_file(source, target):
    subprocess.run(['cp', '--sparse=always', source, target], check=True)


def copy_tree(source, target):
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(['cp', '-a', '--sparse=always', source, target], check=True)


class Run:
    """How a run of the program ended."""

    def __init__(self, status, out, said, steps):
        self.status, self.said, self.steps = status, said, steps
        self.json = json.loads(out) if out.strip() else {}
        self.killed = status == -9

    def modes(self):
        return {os.path.basename(d['path']): d['mode'] for d in self.json['disks']}

    def error(self):
        return self.json.get('error', {}).get('code', '')

    def __str__(self):
        return f'status {self.status}, {self.json.get("error", "")} {self.said}'


class Machine:
    def __init__(self, work, block='16KiB'):
        self.work, self.block = work, block
        self.now = f'{work}/now'
        self.node, self.store = f'{self.now}/node', f'{self.now}/store'
        self.was = f'{self.now}/was'    # disks of each point as its snapshot showed them
        self.state, self.copies = f'{self.node}/state', f'{self.node}/copies'
        self.log, self.tracked = f'{self.node}/tracker.log', f'{self.node}/tracker.state'
        self.policy, self.steps = f'{work}/policy.yaml', f'{work}/steps'
        self.wait_file = f'{work}/waits'
        self.program = os.environ['DISKSYNC']
        self.instance, self.secret = 'machine-1', 'keyfile'
        self.disks = []      # names of those in the policy
        self.promised = set()
        self.gone = set()    # consumers of the tracker that will not come again
        self.runs = 0
        os.umask(0o077)
        for folder in self.node, self.state, self.copies, self.was, f'{work}/modules':
            os.makedirs(folder)
        for module in MODULES:
            name = module + os.environ['MODULE_EXT']
            shutil.copy(f'{os.environ["DISKSYNC_TEST_MODULES"]}/{name}', f'{work}/modules/{name}')

    # ---- the node ----

    def register(self):
        """Makes store and node. Later runs open the store by a key file, which costs no time."""
        with open(f'{self.work}/passphrase', 'w') as f:
            f.write('a passphrase of the test, as long as one that init makes\n')
        with open(f'{self.work}/keyfile', 'wb') as f:
            f.write(os.urandom(33))
        self.secret = 'passphrase'
        self.done('register')
        self.done('key', 'add', 'file', '--key-file', f'{self.work}/keyfile')
        self.secret = 'keyfile'
        self.done('key', 'remove', 'passphrase')

    def path(self, disk):
        return f'{self.node}/{disk}'

    def save(self, name, with_store=True):
        if with_store:
            copy_tree(self.now, f'{self.work}/saved.{name}')
        else:
            copy_tree(self.node, f'{self.work}/node.{name}')

    def put_back(self, name, with_store=True):
        """Without the store it is a revert of the machine: the store knows better."""
        if with_store:
            copy_tree(f'{self.work}/saved.{name}', self.now)
            self.promised = {int(n) for n in os.listdir(self.was)}
        else:
            copy_tree(f'{self.work}/node.{name}', self.node)

    # ---- disks ----

    def tell(self, line):
        with open(self.log, 'a') as f:
            f.write(line + '\n')

    def write(self, disk, offset, data, told=True):
        with open(self.path(disk), 'r+b') as f:
            f.seek(offset)
            f.write(data)
        if told:
            self.tell(f'write {self.path(disk)} {offset} {len(data)}')

    # ---- the program ----

    def write_policy(self, snapshot, tracker):
        def section(use, options):
            lines = ''.join(f'  {k}: {v}\n' for k, v in options.items())
            return f'  use: {use}\n{lines}'
        snapshot = {'dir': self.copies, 'keep': 'true', **snapshot}
        tracker = {'log': self.log, 'state': self.tracked, **tracker}
        for options in snapshot, tracker:
            options.update(steps=self.steps, wait_file=self.wait_file)
        include = ', '.join(self.path(d) for d in self.disks)
        with open(self.policy, 'w') as f:
            f.write(f'version: 1\n'
                    f'node: {{ name: lab, state: {self.state}, instance: {self.instance} }}\n'
                    f'disks: {{ include: [{include}], block_size: {self.block} }}\n'
                    f'snapshot:\n{section("snapshot-scripted", snapshot)}'
                    f'tracker:\n{section("tracker-scripted", tracker)}'
                    f'transport: {{ use: dir, path: {self.store}, '
                    f'passphrase: {{ file: {self.work}/{self.secret} }} }}\n'
                    f'plugins: {{ folder: {self.work}/modules }}\n')

    def run(self, *command, snapshot=None, tracker=None, waits=None, environment=None):
        """waits: step -> what to do there; a step is PLUGIN, blank, STEP:WHEN:N."""
        snapshot, tracker = dict(snapshot or {}), dict(tracker or {})
        for plugin, options in ('snapshot', snapshot), ('tracker', tracker):
            at = [s.split()[1] for s in waits or () if s.startswith(plugin)]
            if at:
                options['wait_at'] = '[' + ', '.join(f'"{s}"' for s in at) + ']'
        self.write_policy(snapshot, tracker)
        for path in self.steps, self.wait_file:
            if os.path.exists(path):
                os.unlink(path)
        self.runs += 1
        with open(f'{self.work}/out', 'w+') as out, open(f'{self.work}/err', 'w+') as err:
            p = subprocess.Popen([self.program, *command, '--policy', self.policy, '--quiet',
                                  '--json'], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
                                 env={**os.environ, **(environment or {})})
            while waits and p.poll() is None:
                self.serve_wait(waits)
            p.wait()
            out.seek(0), err.seek(0)
            run = Run(p.returncode, out.read() if p.returncode >= 0 else '', err.read(),
                      self.reached())
        with open(f'{self.work}/log', 'a') as f:
            f.write(f'--- {" ".join(command)} {snapshot or ""} {tracker or ""}: {run}\n')
        return run

    def serve_wait(self, waits):
        try:
            with open(self.wait_file) as f:
                step = f.read()
        except FileNotFoundError:
            step = ''
        if step.endswith('\n'):
            waits[step.strip().replace('-scripted', '')]()
            os.unlink(self.wait_file)
        else:
            time.sleep(0.0005)

    def done(self, *command, **options):
        run = self.run(*command, **options)
        want(run.status == 0, f'{" ".join(command)}: {run}')
        return run

    def sync(self, *arguments, **options):
        """Runs a sync, and keeps what its snapshot showed if it got as far as a point."""
        for path in glob.glob(f'{self.copies}/kept-*'):
            os.unlink(path)
        run = self.run('sync', *arguments, **options)
        self.keep_promises()
        return run

    def reached(self):
        """The steps that the run came to, in order."""
        if not os.path.exists(self.steps):
            return []
        with open(self.steps) as f:
            return [line.strip().replace('-scripted', '') for line in f]

    # ---- what must be ----

    def points(self, *arguments):
        run = self.run('points', *arguments)
        if run.error() == 'not-found':
            return {}
        want(run.status == 0, f'points: {run}')
        return {p['point']: p for p in run.json['points']}

    def keep_promises(self):
        for number, point in self.points().items():
            if number in self.promised:
                continue
            os.mkdir(f'{self.was}/{number}')
            for i, disk in enumerate(point['disks']):
                found = glob.glob(f'{self.copies}/kept-{i}.img') or \
                        glob.glob(f'{self.copies}/copy-*-{i}.img')
                want(len(found) == 1, f'point {number} has no snapshot of disk {i}')
                copy_file(found[0], f'{self.was}/{number}/{os.path.basename(disk["path"])}')
            self.promised.add(number)

    def forget_promise(self, number):
        shutil.rmtree(f'{self.was}/{number}')
        self.promised.remove(number)

    def restore(self, number, disk):
        restored = f'{self.work}/restored.raw'
        if os.path.exists(restored):
            os.unlink(restored)
        self.done('restore', '--point', str(number), '--disk', self.path(disk), '--to', restored)
        return restored

    def check_point(self, number, same=None):
        """Restores each disk of a point; same(was, restored) compares, by default all bytes."""
        for disk in sorted(os.listdir(f'{self.was}/{number}')):
            restored = self.restore(number, disk)
            was = f'{self.was}/{number}/{disk}'
            wrong = same(was, restored) if same else \
                None if filecmp.cmp(was, restored, False) else 'it differs'
            want(not wrong, f'point {number}, {disk} is not what it was: {wrong}')

    def check_all(self, before=(), same=None, only=None):
        """Every listed point verifies and restores to what was promised; those before are there."""
        points = self.points()
        for number in before:
            want(number in points, f'point {number} is not listed any more')
        if points:
            self.done('verify', '--all')
        for number in points:
            if only is None or number in only:
                self.check_point(number, same)
        return list(points)

    def left_open(self):
        """The tracker's sets of these disks that await commit or abort, and copies that nobody
        removed."""
        left = [os.path.basename(p) for p in glob.glob(f'{self.copies}/copy-*')]
        if not os.path.exists(self.tracked):
            return left
        with open(self.tracked) as f:
            for line in f:
                if re.match(r'set (1 \d|\d 1)', line):
                    consumer, disk = (bytes.fromhex(w[1:]).decode() for w in line.split()[5:7])
                    if consumer not in self.gone and os.path.basename(disk) in self.disks:
                        left.append(f'a generation of {disk}')
        return left

    def become_new(self):
        """From here on it is another node: points and generations of the old one are gone."""
        self.done('register', '--new')
        shutil.rmtree(self.was)
        os.mkdir(self.was)
        self.promised = set()
        if not os.path.exists(self.tracked):
            return
        with open(self.tracked) as f:
            self.gone |= {bytes.fromhex(line.split()[5][1:]).decode() for line in f
                          if line.startswith('set ')}
