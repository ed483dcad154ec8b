#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Uploads in parts: parts in any order and again, their list, the ETag that S3 makes of them, what is
# refused, abort; a killed server loses neither parts nor a claim.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start multipart
cat >"$s3_work/parts.py" <<'END'
import hashlib, os, random, sys
from s3client import *
s = client()
MIN = 5 << 20
create = lambda key, **more: s.create_multipart_upload(Bucket="test", Key=key, **more)["UploadId"]
part = lambda key, u, n, body: s.upload_part(Bucket="test", Key=key, UploadId=u, PartNumber=n,
                                             Body=body)["ETag"]
def complete(key, u, parts):
    parts = [{"PartNumber": n, "ETag": e} for n, e in parts]
    return s.complete_multipart_upload(Bucket="test", Key=key, UploadId=u,
                                       MultipartUpload={"Parts": parts})
r = random.Random(1) # two processes make the same
bodies = [r.randbytes(MIN), r.randbytes(MIN + 1), b"the end"]

if sys.argv[1] == "begin":
    u = create("big/one", Metadata={"m": "1"}, ContentType="text/plain")
    part("big/one", u, 7, b"replaced below")
    for n, body in [(9, bodies[2]), (7, bodies[1]), (2, bodies[0])]:
        part("big/one", u, n, body)
    assert "Contents" not in s.list_objects_v2(Bucket="test")
    open(os.environ["s3_work"] + "/id", "w").write(u)
    sys.exit()

u = open(os.environ["s3_work"] + "/id").read()
listed = s.list_parts(Bucket="test", Key="big/one", UploadId=u)["Parts"]
etags = [f'"{hashlib.md5(b).hexdigest()}"' for b in bodies]
assert [(p["PartNumber"], p["Size"], p["ETag"]) for p in listed] == [
    (n, len(b), e) for n, b, e in zip((2, 7, 9), bodies, etags)]
page = s.list_parts(Bucket="test", Key="big/one", UploadId=u, MaxParts=2)
assert page["IsTruncated"] and [p["PartNumber"] for p in page["Parts"]] == [2, 7]
page = s.list_parts(Bucket="test", Key="big/one", UploadId=u, PartNumberMarker=7)
assert not page["IsTruncated"] and [p["PartNumber"] for p in page["Parts"]] == [9]
ups = s.list_multipart_uploads(Bucket="test")["Uploads"]
assert [(x["Key"], x["UploadId"]) for x in ups] == [("big/one", u)]

good = list(zip((2, 7, 9), etags))
refused("InvalidPart", complete, "big/one", u, [(2, etags[0]), (3, etags[1])])
refused("InvalidPart", complete, "big/one", u, [(2, etags[1])])
refused("InvalidPartOrder", complete, "big/one", u, [good[1], good[0]])
refused("EntityTooSmall", complete, "big/one", u, [good[0], good[2], (10, part("big/one", u, 10, b"x"))])
refused("NoSuchUpload", complete, "other", u, good)
refused("NoSuchUpload", complete, "big/one", "0" * 32, good)
refused("NoSuchUpload", complete, "big/one", "../" * 10 + "zz", good)
refused("NoSuchUpload", part, "other", u, 1, b"x")
refused("InvalidArgument", part, "big/one", u, 10001, b"x")
joined = hashlib.md5(b"".join(hashlib.md5(b).digest() for b in bodies)).hexdigest() + "-3"
assert complete("big/one", u, good)["ETag"] == f'"{joined}"'
got = s.get_object(Bucket="test", Key="big/one")
assert got["Body"].read() == b"".join(bodies) and got["ETag"] == f'"{joined}"'
assert got["Metadata"] == {"m": "1"} and got["ContentType"] == "text/plain"
refused("NoSuchUpload", complete, "big/one", u, good)

u = create("gone")
part("gone", u, 1, b"x")
s.abort_multipart_upload(Bucket="test", Key="gone", UploadId=u)
refused("NoSuchUpload", s.abort_multipart_upload, Bucket="test", Key="gone", UploadId=u)
refused("NoSuchUpload", part, "gone", u, 1, b"x")
root = os.environ["s3_root"] + "/test/"
assert os.listdir(root + "_uploads") == [] and os.listdir(root + "_tmp") == []
END
s3_python "$s3_work/parts.py" begin
s3_stop KILL
# as a completion leaves it that was killed
mv "$s3_root/test/_uploads/$(cat "$s3_work/id")" "$s3_root/test/_uploads/$(cat "$s3_work/id").claimed"
s3_start multipart
s3_python "$s3_work/parts.py" go-on
