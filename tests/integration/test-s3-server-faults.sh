#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each fault on script happens as it is told, to the requests it is told, and is in the log; a share
# of random faults leaves nothing half done.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start faults
s3_python - <<'END'
import hashlib, os, time
from botocore.exceptions import BotoCoreError, HTTPClientError
from s3client import *
s = client()
body = os.urandom(200000)
put = lambda key, b=body: s.put_object(Bucket="test", Key=key, Body=b)
get = lambda key: s.get_object(Bucket="test", Key=key)["Body"].read()

def script(text):
    with open(os.environ["s3_faults"] + ".new", "w") as file:
        file.write(text + "\n")
    os.rename(file.name, os.environ["s3_faults"])

def broken(call, *args):
    try:
        call(*args)
    except (BotoCoreError, HTTPClientError, ConnectionError) as error:
        return error
    raise AssertionError("answered")

put("here")
script("PUT s/* 1 2 status 503 SlowDown")
put("s/1")
refused("SlowDown", put, "s/2")
refused("SlowDown", put, "s/3")
put("s/2")
refused("NoSuchKey", get, "s/3")

script("PUT * 0 1 cut-before")
broken(put, "cut")
refused("NoSuchKey", get, "cut")
script("PUT * 0 1 cut-body 1000\nGET here 0 1 cut-body 1000")
broken(put, "cut")
refused("NoSuchKey", get, "cut")
broken(get, "here")
assert get("here") == body

script("PUT * 0 1 lost-reply")
broken(put, "lost")
assert get("lost") == body

script("GET here 0 1 truncated\nHEAD here 0 1 wrong-etag")
assert get("here") == body[:100000]
assert s.head_object(Bucket="test", Key="here")["ETag"] != f'"{hashlib.md5(body).hexdigest()}"'
assert s.head_object(Bucket="test", Key="here")["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'

script("* here 0 * delay 150")
began = time.monotonic()
get("here")
assert 0.14 < time.monotonic() - began < 2
script("GET here 0 1 slow 400000\nPUT slow 0 1 slow 400000")
for call, key in ((get, "here"), (put, "slow")):
    began = time.monotonic()
    call(key)
    assert 0.4 < time.monotonic() - began < 3, (key, time.monotonic() - began)

script("* * 0 1 redirect eu-north-1")
status, headers, text = Wire().send(head("GET", "/test/here", sign("GET", "/test/here", {}))).reply()
assert status == 301 and b"PermanentRedirect" in text
assert headers["x-amz-bucket-region"] == "eu-north-1"
script("GET * 0 1 skew 1000\nGET * 0 1 skew -1000 # comment\n\n# another")
refused("RequestTimeTooSkewed", get, "here")
refused("RequestTimeTooSkewed", get, "here")
assert get("here") == body
script("BATCH * 0 1 error-in-200")
status, _, text = Wire().send(head("POST", "/test?delete", {**sign(
    "POST", "/test", {}, query=[("delete", "")], payload="UNSIGNED-PAYLOAD"),
    "content-length": "0"})).reply()
assert status == 200 and b"<Error><Code>InternalError" in text
script("LIST * 0 1 status 500 InternalError")
assert get("here") == body
refused("InternalError", s.list_objects_v2, Bucket="test")

lines = log_lines()
assert [l[7] for l in lines if l[2] == "/test/lost"] == ["lost-reply", "-"]
assert [l[4] for l in lines if l[2] == "/test/lost"] == ["0", "200"]
assert len([l for l in lines if l[1] == "PUT" and l[2].startswith("/test/s/")]) == 4
assert len([l for l in lines if l[8] == "LIST"]) == 1

script("random 30 42")
kept = {}
for i in range(400):
    key, b = f"r/{i % 20}", os.urandom(1 + i * 13)
    try:
        s.put_object(Bucket="test", Key=key, Body=b)
        kept[key] = [b]
    except (ClientError, BotoCoreError, HTTPClientError):
        kept.setdefault(key, [None]).append(b)
script("")
for key, may in kept.items():
    try:
        got = get(key)
    except ClientError:
        got = None
    assert got in may, key
hurt = [l for l in log_lines() if l[2].startswith("/test/r/") and l[7] != "-"]
assert 70 < len(hurt) < 170, len(hurt)
assert os.listdir(os.environ["s3_root"] + "/test/_tmp") == []
END
