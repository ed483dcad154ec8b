#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The documents say what the program says. Both ways: commands, summaries, options with placeholder
# and help, common options, error codes, exit codes, and the options of plugins. Then: every page is
# well-formed and in a list of the build, and every link of a page or a *.md file leads somewhere.
set -u
cd "${top_srcdir:?is set by make check}" || exit 1
: "${DISKSYNC:?is set by make check}" "${PYTHON:=python3}"
bad=0

command -v podchecker >/dev/null || {
    echo "FAIL: podchecker is missing: it comes with perl" >&2
    exit 1
}
for page in man/*.pod plugins/*/*.pod; do
    said=$(podchecker "$page" 2>&1) && [[ $said != *WARNING* ]] || {
        printf 'FAIL: %s\n' "$said"
        bad=1
    }
done

"$PYTHON" - "$DISKSYNC" <<'END' || bad=1
import glob, json, os, re, subprocess, sys
program, bad = sys.argv[1], 0

def fail(text):
    global bad
    bad += 1
    print('FAIL: ' + text)

def run(*words):
    return subprocess.run([program, *words], capture_output=True, encoding='utf-8').stdout

def same(what, there, here, where):
    for name in sorted(set(there) - set(here)):
        fail('%s: %s %s is not described' % (where, what, name))
    for name in sorted(set(here) - set(there)):
        fail('%s: %s %s is described and does not exist' % (where, what, name))

def plain(pod):
    pod = re.sub(r'E<lt>', '<', re.sub(r'E<gt>', '>', pod))
    while re.search(r'[BIFC]<([^<>]*)>', pod):
        pod = re.sub(r'[BIFC]<([^<>]*)>', r'\1', pod)
    return ' '.join(re.sub(r'L<(?:([^|<>]*)\|)?([^<>]*)>', lambda m: m[1] or m[2], pod).split())

def page(path):
    """Sections of a page: heading -> paragraphs; and items of a section: text -> what follows."""
    sections, now = {}, None
    with open(path, encoding='utf-8') as f:
        for para in f.read().split('\n\n'):
            head = re.match(r'=head1 (.*)', para.strip())
            if head:
                now = sections.setdefault(head[1], [])
            elif now is not None:
                now.append(para.strip('\n'))
    return sections

def items(paragraphs):
    found, now = {}, None
    for para in paragraphs:
        item = re.match(r'=item (.*)', para)
        if item:
            now = plain(item[1])
            found[now] = ''
        elif now is not None and not para.startswith('='):
            found[now] += ' ' + plain(para)
        elif para.startswith('=back'):
            now = None
    return {k: v.strip() for k, v in found.items()}

def begins(text, wanted):
    return text[:1].lower() + text[1:len(wanted)] == wanted[:1].lower() + wanted[1:]

def options_of(command):
    """--help: '--name PLACEHOLDER' -> help."""
    found = {}
    for line in run(*command.split(), '--help').splitlines():
        m = re.match(r'  (--\S+)(?: ([^ ]\S*))?\s+(.*)$', line)
        flag = re.match(r'  (--\S+) {2,}(.*)$', line)
        if flag:
            found[flag[1]] = flag[2]
        elif m:
            found['%s %s' % (m[1], m[2])] = m[3]
    return found

# ---- commands
completion = dict(line.split(':', 1) for line in run('--completion').splitlines())
if len(completion) < 15:
    fail('--completion names only %d commands' % len(completion))
summaries = {}
for line in run('--help').splitlines():
    for command in completion:
        if line.startswith('  %-14s ' % command):
            summaries[command] = line[17:]
same('command', completion, summaries, '--help')
main = page('man/disksync.pod')
listed = items(main['COMMANDS'])
same('command', completion, listed, 'man/disksync.pod')
common = items(main['COMMON OPTIONS'])
alone = {'--version', '--completion'}
for option in alone:
    if option not in common:
        fail('man/disksync.pod: %s is not described' % option)
pages = {'man/disksync-%s.pod' % c.replace(' ', '-'): c for c in completion}
same('page', pages, [p for p in glob.glob('man/disksync-*.pod') if p != 'man/disksync-policy.pod'],
     'man/')
for path, command in sorted(pages.items()):
    if not os.path.exists(path):
        continue
    sections, wanted = page(path), options_of(command)
    same('option', completion[command].split(), [w.split()[0] for w in wanted],
         '%s --help against --completion' % command)
    shared = {o: h for o, h in wanted.items() if o in common}
    own = {o: h for o, h in wanted.items() if o not in common}
    same('option', set(common) - alone, shared, '%s --help against man/disksync.pod' % command)
    said = items(sections.get('OPTIONS', []))
    same('option', own, said, path)
    for option, text in list(own.items()) + list(shared.items()):
        repeated = ' (may be repeated)' in text
        text = text.replace(' (may be repeated)', '')
        told = said.get(option) if option in own else common[option]
        if told is not None and not begins(told, text):
            fail('%s: %s does not begin with what --help says: %s' % (path, option, text))
        if told is not None and repeated != ('May be repeated.' in told):
            fail('%s: %s may be repeated, or not' % (path, option))
    name = plain(' '.join(sections.get('NAME', [])))
    summary = summaries.get(command, '')
    for text, where in ((name.partition(' - ')[2], path),
                        (listed.get(command, '').rstrip('.'), 'man/disksync.pod')):
        if text.lower() != summary.lower():
            fail('%s: %s: "%s" is not the summary "%s"' % (where, command, text, summary))
    if not plain(' '.join(sections.get('SYNOPSIS', []))).startswith('disksync ' + command):
        fail('%s: the synopsis does not begin with the command' % path)
    for heading in 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXAMPLES', 'EXIT STATUS', 'SEE ALSO':
        if not sections.get(heading):
            fail('%s: no %s' % (path, heading))

# ---- codes
codes = {l.split()[0]: l.split(None, 1)[1] for l in run('explain').splitlines()}
told = items(page('man/disksync-explain.pod').get('CODES', []))
same('code', codes, told, 'man/disksync-explain.pod')
for code, text in codes.items():
    if code in told and told[code] != ' '.join(text.split()):
        fail('man/disksync-explain.pod: %s: not what the program says: %s' % (code, text))
    if json.loads(run('explain', code, '--json'))['exit_code'] not in range(1, 6):
        fail('explain %s: its exit code is not a documented one' % code)
same('exit code', re.findall(r'(?<=[ \n])([0-5]) [a-z]', run('--help').split('Exit codes:')[1]),
     items(main['EXIT STATUS']), 'man/disksync.pod')

# ---- plugins
answer = json.loads(run('plugins', '--json', '--policy', os.devnull + '-no-policy'))
seen = set()
for plugin in answer['plugins']:
    path = 'plugins/%s/disksync-%s.pod' % (plugin['name'], plugin['name'])
    if not os.path.exists(path):
        fail('%s does not exist' % path)
        continue
    seen.add(path)
    sections = page(path)
    told = {k.split(':')[0].split(',')[0]: k for k in items(sections.get('OPTIONS', []))}
    same('option', [o['name'] for o in plugin.get('options', [])], told, path)
    for option in plugin.get('options', []):
        item = told.get(option['name'], '')
        if item and option['default'] and 'default ' + option['default'] not in item:
            fail('%s: %s: its default is %s' % (path, option['name'], option['default']))
        if item and option['required'] != ('required' in item):
            fail('%s: %s is required, or not' % (path, option['name']))
    for heading in 'OPTIONS', 'EXAMPLE', 'SECURITY', 'LIMITS', 'SEE ALSO':
        if not sections.get(heading):
            fail('%s: no %s' % (path, heading))
same('plugin', glob.glob('plugins/*/*.pod'), seen, 'disksync plugins')

# ---- the build's lists, and links between pages
with open('man/local.mk') as f:
    built = re.findall(r'man/(\S+)\.([15])\b', f.read())
same('page', [os.path.basename(p)[:-4] for p in glob.glob('man/*.pod')], [n for n, _ in built],
     'man/local.mk')
known = {'%s(%s)' % b for b in built}
known |= {'%s(7)' % os.path.basename(p)[:-4] for p in glob.glob('plugins/*/*.pod')}
for path in glob.glob('man/*.pod') + glob.glob('plugins/*/*.pod'):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    for link in re.findall(r'L<(?:[^|<>]*\|)?(disksync[^<>]*)>', text):
        if link not in known:
            fail('%s: there is no page %s' % (path, link))
    for name in re.findall(r'F<((?:docs|man|tests|sdk|plugins)/[^<>]*|[A-Z-]+\.md)>', text):
        if not os.path.exists(name):
            fail('%s: there is no %s' % (path, name))

# ---- links of *.md
def slugs(path):
    with open(path, encoding='utf-8') as f:
        text = re.sub(r'(?ms)^```.*?^```', '', f.read())
    found, count = set(), {}
    for title in re.findall(r'(?m)^#+ (.*)$', text):
        slug = re.sub(r'[^\w\- ]', '', title.replace('`', '').lower()).strip().replace(' ', '-')
        n = count.get(slug, 0)
        count[slug] = n + 1
        found.add('%s-%d' % (slug, n) if n else slug)
    return found

documents = [p for p in glob.glob('**/*.md', recursive=True)
             if not re.match(r'build|autom4te|disksync-\d', p)]
if 'README.md' not in documents:
    fail('there is no README.md')
for path in documents:
    with open(path, encoding='utf-8') as f:
        text = re.sub(r'(?ms)^```.*?^```', '', f.read())
    for target in re.findall(r'\]\(([^()\s]+)\)', text):
        if re.match(r'[a-z]+:', target):
            continue
        name, _, anchor = target.partition('#')
        there = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
        if not os.path.exists(there):
            fail('%s: the link %s leads nowhere' % (path, target))
        elif anchor and anchor not in slugs(there):
            fail('%s: %s has no heading #%s' % (path, there, anchor))
    # a file that is named in the text as code counts as a link
    tops = 'docs|man|core|sdk|plugins|tests|bench|packaging'
    for name in re.findall(r'`((?:%s)/[\w./*-]+)`' % tops, text):
        if not glob.glob(name.rstrip('/')):
            fail('%s: there is no %s' % (path, name))
sys.exit(bad != 0)
END
exit $bad
