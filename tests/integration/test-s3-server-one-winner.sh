#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Of many writers that put one key with If-None-Match: * at a time exactly one is told 200, the others
# 412, and what is read is the winner's; by put, and by completed uploads.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start winner
s3_python - <<'END'
import threading
from s3client import *

WRITERS = 16
clients = [client() for _ in range(WRITERS)]

def absent(params, **kwargs):
    params["headers"]["If-None-Match"] = "*"

for c in clients: # older clients have no argument for it
    for name in ("PutObject", "CompleteMultipartUpload"):
        c.meta.events.register(f"before-call.s3.{name}", absent)

def race(key, write):
    results, gate = [None] * WRITERS, threading.Barrier(WRITERS)
    def run(i):
        gate.wait()
        try:
            results[i] = write(clients[i], key, i)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as error:
            results[i] = error.response["ResponseMetadata"]["HTTPStatusCode"]
    threads = [threading.Thread(target=run, args=(i,)) for i in range(WRITERS)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(results) == [200] + [412] * (WRITERS - 1), results
    got = clients[0].get_object(Bucket="test", Key=key)["Body"].read()
    assert got == b"%d" % results.index(200) * 1000, (got[:4], results.index(200))

for n in range(20):
    race(f"race/{n}", lambda c, key, i: c.put_object(Bucket="test", Key=key, Body=b"%d" % i * 1000))

uploads = []
for i in range(WRITERS):
    u = clients[i].create_multipart_upload(Bucket="test", Key="upload")["UploadId"]
    part = clients[i].upload_part(Bucket="test", Key="upload", UploadId=u, PartNumber=1,
                                  Body=b"%d" % i * 1000)
    uploads.append((u, {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}))
race("upload", lambda c, key, i: c.complete_multipart_upload(
    Bucket="test", Key=key, UploadId=uploads[i][0], MultipartUpload=uploads[i][1]))
left = clients[0].list_multipart_uploads(Bucket="test").get("Uploads", [])
assert len(left) == WRITERS - 1, left
END
