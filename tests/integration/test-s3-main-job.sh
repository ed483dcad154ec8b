#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job with the repository in a bucket: register, a full sync, syncs that compare, restore,
# restore that compares, verify, forget, collect, a second node in the same bucket, and a copy from a
# folder to a bucket and back. With the requests that it takes, by the server's own log: no listing
# of more than the roots, two puts for a few changes.
set -euo pipefail
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/lab.sh"
. "$top_srcdir/tests/tools/s3-lab.sh"
lab_start s3-main
s3_start
folder=$work/folder.yaml
cp "$policy" "$folder"
s3_policy "$policy" "$live/state"

restores() { # POINT
    rm -f "$work/out.raw"
    ds restore --point "$1" --to "$work/out.raw" || fail "restore of point $1"
    cmp "$work/out.raw" "$work/was/$1.raw" || fail "point $1 restores to something else"
}
left() { # what is in the bucket under these words of keys
    find "$work/buckets" -type f | grep -c "/probe" || true
}

ds preflight || fail 'preflight'
[ "$(left)" = 0 ] || fail 'the proof left something in the bucket'
ds register || fail 'register'
ds sync || fail 'the first sync'
promise 1
ds sync || fail 'a sync without changes'
promise 2
image_change 30
s3_mark
ds sync || fail 'a sync of changes'
promise 3
puts=$(s3_since | grep -c ' PUT ' || true)
[ "$puts" = 2 ] || fail "a sync of a few changes took $puts puts"
s3_since | grep -q ' 5[0-9][0-9] ' && fail 'a request failed'
for point in 1 2 3; do restores $point; done

# what differs only
ds_json "$work/again.json" restore --point 1 --to "$work/out.raw" --compare || fail 'restore --compare'
cmp "$work/out.raw" "$work/was/1.raw" || fail 'restore --compare: not the point'
ds verify --all || fail 'verify'

# another machine with the passphrase alone
ds_first=$policy
s3_policy "$work/second.yaml" "$live/second"
sed -i 's/machine-1/machine-2/' "$work/second.yaml"
policy=$work/second.yaml
ds restore --node lab --point 3 --to "$work/other.raw" || fail 'restore on another machine'
cmp "$work/other.raw" "$work/was/3.raw" || fail 'another machine restores something else'
policy=$ds_first

ds forget --point 1 || fail 'forget'
[ "$(listed)" = '2 3' ] || fail 'a forgotten point is listed'
ds collect --no-grace || fail 'collect'
restores 3

# from a folder to a bucket: a repository of its own, under a prefix of its own
bucket=$policy
policy=$folder
sed -i "s|state: [^,]*|state: $live/folder-state|; s|path: [^,]*|path: $live/folder|" "$folder"
ds register || fail 'register, folder'
ds sync || fail 'sync, folder'
promise 1
s3_policy "$work/to.yaml" "$live/state" prefix copies
ds copy --to "$work/to.yaml" || fail 'copy to the bucket'
policy=$work/to.yaml
ds_node=(--node lab)
rm -f "$work/out.raw"
ds restore --node lab --point 1 --to "$work/out.raw" || fail 'restore of the copy'
cmp "$work/out.raw" "$work/was/1.raw" || fail 'the copy restores to something else'
policy=$bucket
echo "$(wc -l <"$work/requests") requests"
