# SPDX-License-Identifier: Apache-2.0
"""peers-table.py RESULTS - tables of what peers.sh measured, and the aims beside it.

A line of RESULTS: tool, stage, round, wall, flush, cpu (seconds), peak RSS (MiB), stored bytes.
Time is the command's wall time and the flush after it: what it took until the bytes were safe.
"""
import statistics
import sys

PEERS = ['restic', 'borg', 'qemu-img']
TOOLS = ['disksync'] + PEERS + ['plain-write'] # the last: cp of the same bytes, the storage's limit
STAGES = [('full', 'full'), ('second', 'second copy, all read (DiskSync: compare)'),
          ('incremental', 'incremental through a tracker'), ('restore', 'restore')]


def read(path):
    rows = {}
    for line in open(path):
        tool, stage, _, wall, flush, cpu, rss, stored = line.rstrip('\n').split('\t')
        rows.setdefault((tool, stage), []).append(
            {'time': float(wall) + float(flush), 'wall': float(wall), 'cpu': float(cpu),
             'rss': float(rss), 'stored': int(stored) / (1 << 20)})
    return rows


def spread(runs, key, form):
    values = sorted(r[key] for r in runs)
    return ' / '.join(form % v for v in (values[0], statistics.median(values), values[-1]))


def median(rows, tool, stage, key):
    return statistics.median(r[key] for r in rows[tool, stage])


def stage_table(rows, stage, title):
    present = [t for t in TOOLS if (t, stage) in rows]
    if not present:
        return
    print('## %s\n' % title)
    print('| tool | time until durable, s | command alone, s | CPU, s | peak RSS, MiB | '
          'stored, MiB | time / ours |')
    print('| --- | --- | --- | --- | --- | --- | --- |')
    for tool in present:
        runs = rows[tool, stage]
        ratio = median(rows, tool, stage, 'time') / median(rows, 'disksync', stage, 'time')
        stored = '-' if stage == 'restore' else '%.1f' % median(rows, tool, stage, 'stored')
        print('| %s | %s | %s | %s | %.0f | %s | %.2f |' % (
            tool, spread(runs, 'time', '%.2f'), spread(runs, 'wall', '%.2f'),
            spread(runs, 'cpu', '%.2f'), max(r['rss'] for r in runs), stored, ratio))
    print('\nTimes: min / median / max; RSS: the highest; stored: median.\n')


def aims(rows):
    def ratio(tool, stage, key='time'):
        return median(rows, tool, stage, key) / median(rows, 'disksync', stage, key)

    yield 'full: restic / ours', ratio('restic', 'full'), '>=', 5
    yield 'full: borg / ours', ratio('borg', 'full'), '>=', 5
    yield 'full: qemu-img / ours', ratio('qemu-img', 'full'), '>=', 4
    yield 'full: stored, ours / borg', 1 / ratio('borg', 'full', 'stored'), '<=', 1.05
    yield 'full: CPU, least of the others / ours', min(ratio(t, 'full', 'cpu') for t in PEERS), \
        '>=', 2
    yield 'compare: borg / ours', ratio('borg', 'second'), '>=', 4
    if ('disksync', 'incremental') in rows:
        yield 'incremental, seconds', median(rows, 'disksync', 'incremental', 'time'), '<', 1
    yield 'restore: fastest of the others / ours', min(ratio(t, 'restore') for t in PEERS), '>=', 2
    yield 'restore, commands alone: fastest / ours', \
        min(ratio(t, 'restore', 'wall') for t in PEERS), '>=', 2


def main():
    rows = read(sys.argv[1])
    for stage, title in STAGES:
        stage_table(rows, stage, title)
    print('## Aims (medians)\n\n| aim | wanted | got | |\n| --- | --- | --- | --- |')
    for name, got, relation, wanted in aims(rows):
        met = {'>=': got >= wanted, '<=': got <= wanted, '<': got < wanted}[relation]
        print('| %s | %s %g | %.2f | %s |' % (name, relation, wanted, got,
                                              'met' if met else 'NOT MET'))
    if ('disksync', 'incremental') not in rows:
        print('| incremental, seconds | < 1 | not measured | SKIPPED: no tracker |')


main()
