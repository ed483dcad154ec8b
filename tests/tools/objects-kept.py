# SPDX-License-Identifier: Apache-2.0
"""objects-kept.py STEPS FOLDER [SPARE...] - is a folder of objects what a power cut may leave?

Run by crashreplay.py. FOLDER is below the state that it made; what is below one of its SPARE folders
is not looked at. A line of STEPS is KIND KEY LETTER: the object KEY was put with 9,000 times the
letter, or removed ("-"); one program ran for each. What the ended ones did must be there, what the
running one did may be, and nothing else.
"""
import os
import sys


def allowed_by(steps, ended):
    allowed = {}
    for i, (_, key, letter) in enumerate(steps[:ended + 1]):
        state = None if letter == '-' else letter * 9000
        # The step that ran when the power went may have been done or not.
        allowed[key] = {state} if i < ended else allowed.get(key, {None}) | {state}
    return allowed


def content(path):
    try:
        return open(path).read()
    except FileNotFoundError:
        return None


def main(steps, folder, *spare):
    folder = os.path.join(os.environ['CRASH_STATE'], folder)
    allowed = allowed_by([line.split() for line in open(steps)], int(os.environ['CRASH_EXITS']))
    bad = 0
    for key, states in allowed.items():
        found = content(os.path.join(folder, key))
        if found not in states:
            print(key, 'is', None if found is None else (len(found), found[:1]))
            bad = 1
    for place, _, files in os.walk(folder):
        for name in files:
            key = os.path.relpath(os.path.join(place, name), folder)
            if not key.startswith(spare) and key not in allowed:
                print(key, 'was never put')
                bad = 1
    return bad


sys.exit(main(sys.argv[1], sys.argv[2], *(s + '/' for s in sys.argv[3:])))
