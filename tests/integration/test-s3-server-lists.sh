#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Lists of the S3 server are what sorting all keys by their bytes gives, whatever the prefix,
# delimiter, start and length of pages.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start lists
SEED=${SEED:-$$}
echo "SEED=$SEED"
s3_python - "$SEED" <<'END' || fail "SEED=$SEED"
import os, random, sys, urllib.parse
from concurrent.futures import ThreadPoolExecutor
from s3client import *
r = random.Random(int(sys.argv[1]))
s = client()
parts = ["a", "b", "a-b", "a.b", "A", "0", "\u00fc", "z z", "%", "", "..", "a+"]
keys = set()
while len(keys) < 400:
    key = "/".join(r.choice(parts) for _ in range(r.randint(1, 4)))
    # one key as the folder of another is refused by this store
    if key and not any(k.startswith(key + "/") or key.startswith(k + "/") for k in keys):
        keys.add(key)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda k: s.put_object(Bucket="test", Key=k, Body=b"x"), keys))
keys = sorted(keys, key=str.encode)

def expected(prefix, delimiter, after):
    out = []
    for key in keys:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        item = ("P", key[:at + len(delimiter)]) if at >= 0 else ("K", key)
        if not out or out[-1] != item:
            out.append(item)
    return out

def listed(prefix, delimiter, after, size):
    found, token = [], None
    while True:
        more = {"ContinuationToken": token} if token else {"StartAfter": after} if after else {}
        if r.random() < 0.5:
            more["EncodingType"] = "url"
        page = s.list_objects_v2(Bucket="test", Prefix=prefix, Delimiter=delimiter, MaxKeys=size, **more)
        clean = urllib.parse.unquote if "EncodingType" in more else str
        items = [("K", clean(o["Key"])) for o in page.get("Contents", [])]
        items += [("P", clean(p["Prefix"])) for p in page.get("CommonPrefixes", [])]
        items = sorted(items, key=lambda i: i[1].encode())
        assert len(items) == page["KeyCount"] <= size
        found += items
        if not page["IsTruncated"]:
            return found
        assert len(items) == size
        token = page["NextContinuationToken"]

for n in range(120):
    key = r.choice(keys)
    prefix = r.choice(["", key[:r.randint(0, len(key))], "a/", "no/such"])
    delimiter = r.choice(["", "/", "/", "b", "a/"])
    after = r.choice(["", "", r.choice(keys), "a", "a/zz"])
    size = r.choice([1000, 1000, 50, 7, 3])
    want, got = expected(prefix, delimiter, after), listed(prefix, delimiter, after, size)
    assert want == got, (prefix, delimiter, after, size, want, got)
assert s.list_objects_v2(Bucket="test", MaxKeys=0)["KeyCount"] == 0
refused("InvalidArgument", s.list_objects_v2, Bucket="test", ContinuationToken="zz")
refused("NoSuchBucket", s.list_objects_v2, Bucket="other")

# More names in one folder than are kept in memory at a time.
folder = os.environ["s3_root"] + "/test/wide"
os.makedirs(folder)
for i in range(5000):
    open(f"{folder}/{i * 7919 % 5000:04d}", "w").close()
pages = s.get_paginator("list_objects_v2").paginate(Bucket="test", Prefix="wide/")
assert [o["Key"] for p in pages for o in p["Contents"]] == [f"wide/{i:04d}" for i in range(5000)]
END
