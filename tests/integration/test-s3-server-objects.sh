#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The S3 server keeps objects as S3 does, for a client that knows nothing of it: put, get, ranges,
# head, conditions, digests, metadata, delete, batches of deletes, odd keys that stay in their bucket.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start objects
s3_python - <<'END'
import base64, hashlib, os
from s3client import *
s = client()
put = lambda key, body, **more: s.put_object(Bucket="test", Key=key, Body=body, **more)
get = lambda key, **more: s.get_object(Bucket="test", Key=key, **more)
body = os.urandom(3 << 20)
md5 = hashlib.md5(body)
assert put("n/a/1", body)["ETag"] == f'"{md5.hexdigest()}"'
assert get("n/a/1")["Body"].read() == body
assert put("empty", b"")["ETag"] == '"d41d8cd98f00b204e9800998ecf8427e"'
assert get("empty")["Body"].read() == b""

for text, part in [("0-0", body[:1]), ("5-9", body[5:10]), ("1000000-", body[1000000:]),
                   ("-10", body[-10:]), (f"-{len(body) + 5}", body), ("3145727-9999999", body[-1:])]:
    got = get("n/a/1", Range="bytes=" + text)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206 and got["Body"].read() == part, text
    start = {"0-0": 0, "5-9": 5}.get(text, len(body) - len(part))
    assert got["ContentRange"] == f"bytes {start}-{start + len(part) - 1}/{len(body)}", text
refused("InvalidRange", get, "n/a/1", Range=f"bytes={len(body)}-")
refused("InvalidRange", get, "empty", Range="bytes=0-0")
assert get("n/a/1", Range="bytes=9-5")["ResponseMetadata"]["HTTPStatusCode"] == 200

head = s.head_object(Bucket="test", Key="n/a/1")
assert head["ContentLength"] == len(body) and head["ETag"] == f'"{md5.hexdigest()}"'
get("n/a/1", IfMatch=head["ETag"])
refused(412, get, "n/a/1", IfMatch='"0"')
refused(304, get, "n/a/1", IfNoneMatch=head["ETag"])
refused("NoSuchKey", get, "n/a")
refused("NoSuchKey", get, "n/a/1/2")
refused(404, s.head_object, Bucket="test", Key="n/a/2")
refused("NoSuchBucket", s.get_object, Bucket="other", Key="x")
refused("NoSuchBucket", s.put_object, Bucket="other", Key="x", Body=b"x")
refused("ObjectParentConflict", put, "n/a/1/2", b"")
refused("ObjectParentConflict", put, "n/a", b"")

b64 = lambda raw: base64.b64encode(raw).decode()
put("digest", body, ContentMD5=b64(md5.digest()))
refused("BadDigest", put, "digest", b"other", ContentMD5=b64(md5.digest()))
refused("InvalidDigest", put, "digest", body, ContentMD5="AAAA")
sha = b64(hashlib.sha256(body).digest())
put("digest", body, ChecksumSHA256=sha)
assert get("digest", ChecksumMode="ENABLED")["ChecksumSHA256"] == sha
refused("BadDigest", put, "digest", b"other", ChecksumSHA256=sha)
assert get("digest")["Body"].read() == body

put("meta", b"x", Metadata={"one": "1", "two": "a b"}, ContentType="text/plain")
got = get("meta")
assert got["Metadata"] == {"one": "1", "two": "a b"} and got["ContentType"] == "text/plain"
refused("MetadataTooLarge", put, "meta", b"x", Metadata={"m": "x" * 2049})
refused("InvalidStorageClass", put, "class", b"x", StorageClass="GLACIER")
put("class", b"x", StorageClass="STANDARD_IA")
assert s.head_object(Bucket="test", Key="class")["StorageClass"] == "STANDARD_IA"

odd = ["with space", "100%", "%41", "a+b&c=d?e#f", "\u00fc/\u20ac/\U0001f600", "double//slash", "/first",
       "last/", "../../../escape", "x/../y", ".", "dots/..", "UPPER", "q'\"<>", "~_-.", "_tmp/x",
       "tab\tkey", "k" * 250, "/".join(["p" * 200] * 5)]
for key in odd:
    put(key, key.encode())
for key in odd:
    assert get(key)["Body"].read() == key.encode(), key
refused("KeyTooLongError", put, "k" * 251, b"")
refused("KeyTooLongError", put, "a/" * 512 + "b", b"")
root = os.environ["s3_root"]
assert sorted(os.listdir(root)) == ["test"], os.listdir(root)
assert not [n for n in os.listdir(root + "/test") if n.startswith(".")]
assert os.listdir(root + "/test/_tmp") == []

for key in odd[:5]:
    s.delete_object(Bucket="test", Key=key)
    refused("NoSuchKey", get, key)
s.delete_object(Bucket="test", Key="never was")
done = s.delete_objects(Bucket="test", Delete={"Objects": [{"Key": k} for k in odd[5:] + ["no"]]})
assert len(done["Deleted"]) == len(odd) - 4 and "Errors" not in done, done
keys = [o["Key"] for o in s.list_objects_v2(Bucket="test")["Contents"]]
assert keys == ["class", "digest", "empty", "meta", "n/a/1"], keys
s.delete_object(Bucket="test", Key="n/a/1")
assert not os.path.exists(root + "/test/n")

assert s.get_bucket_location(Bucket="test")["LocationConstraint"] is None
s.head_bucket(Bucket="test")
refused(404, s.head_bucket, Bucket="none")
s.create_bucket(Bucket="second")
refused("BucketAlreadyOwnedByYou", s.create_bucket, Bucket="second")
refused("NotImplemented", s.get_object_acl, Bucket="test", Key="meta")
refused("NotImplemented", s.copy_object, Bucket="test", Key="copy", CopySource="test/meta")
virtual = client(host="localhost", style="virtual")
virtual.put_object(Bucket="second", Key="v", Body=b"by host")
assert s.get_object(Bucket="second", Key="v")["Body"].read() == b"by host"
END
