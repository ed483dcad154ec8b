#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the S3 server answered 200 survives a power cut at any moment after: each request has a server
# of its own, a log of all that they do to the store is cut behind every operation, the states that a
# crash may leave there are built, and each holds every object that was answered, whole.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
. "$top_srcdir/tests/tools/faultfs.sh"
faultfs_find "$s3_work"
mkdir "$s3_work/top" "$s3_work/before"
cat >"$s3_work/steps" <<'END'
new a/b/1 a
new a/b/2 b
put a/b/1 c
remove a/b/2 -
new a/b/2 d
remove a/b/2 -
parts a/c e
put h f
END
cat >"$s3_work/do.py" <<'END'
import sys
from s3client import *
s, (kind, key, letter) = client(), sys.argv[1:]
body = letter.encode() * 9000
if kind == "remove":
    s.delete_object(Bucket="test", Key=key)
elif kind == "parts":
    u = s.create_multipart_upload(Bucket="test", Key=key)["UploadId"]
    e = s.upload_part(Bucket="test", Key=key, UploadId=u, PartNumber=1, Body=body)["ETag"]
    s.complete_multipart_upload(Bucket="test", Key=key, UploadId=u,
                                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": e}]})
else:
    headers = sign("PUT", "/test/" + key, {"content-length": str(len(body)), **(
        {"if-none-match": "*"} if kind == "new" else {})}, payload="UNSIGNED-PAYLOAD")
    status, _, text = Wire().send(head("PUT", "/test/" + key, headers) + body).reply()
    assert status == 200, text
END
export FAULTFS FAULTFS_LOG=$s3_work/log FAULTFS_ROOTS=$s3_work/top
s3_wrapper="env LD_PRELOAD=$FAULTFS"
while read -r kind key letter; do
    s3_start top
    s3_python "$s3_work/do.py" "$kind" "$key" "$letter"
    s3_stop
done <"$s3_work/steps"
unset FAULTFS_LOG FAULTFS_ROOTS

"${PYTHON:-python3}" "$top_srcdir/tests/tools/crashreplay.py" --log "$s3_work/log" \
    --initial "$s3_work/before" --target "$s3_work/state" --actual "$s3_work/top" \
    --max-cuts "$([ -n "${DISKSYNC_SOAK:-}" ] && echo 0 || echo 15)" -- \
    "${PYTHON:-python3}" "$top_srcdir/tests/tools/objects-kept.py" "$s3_work/steps" test _tmp \
    _uploads
