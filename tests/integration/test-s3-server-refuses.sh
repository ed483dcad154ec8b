#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who has no right gets nothing: wrong secrets, unknown keys, clocks that are off, tokens, other
# regions, keys confined to a prefix, keys that may only add.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start refuses --access-key NODE --secret-key NS --prefix n/one/ --append-only \
    --access-key TEMP --secret-key TS --session-token "a token"
s3_python - <<'END'
import datetime
from s3client import *
s = client()
s.put_object(Bucket="test", Key="n/two/x", Body=b"secret")
refused("SignatureDoesNotMatch", client("AK", "wrong").get_object, Bucket="test", Key="n/two/x")
refused("SignatureDoesNotMatch", client("AK", "SKx").list_objects_v2, Bucket="test")
refused("InvalidAccessKeyId", client("NOBODY", "SK").get_object, Bucket="test", Key="n/two/x")

def by_hand(method="GET", path="/test/n/two/x", **more):
    status, headers, body = Wire().send(head(method, path, sign(method, path, {}, **more))).reply()
    return status, body.decode()

now = datetime.datetime.now(datetime.timezone.utc)
assert by_hand() == (200, "secret")
for minutes in (-14, 14):
    assert by_hand(when=now + datetime.timedelta(minutes=minutes))[0] == 200, minutes
for minutes in (-16, 16, -60 * 24 * 365, 60 * 24 * 365):
    status, body = by_hand(when=now + datetime.timedelta(minutes=minutes))
    assert status == 403 and "RequestTimeTooSkewed" in body, (minutes, status, body)
status, body = by_hand(region="eu-west-1")
assert status == 400 and "<Region>us-east-1</Region>" in body, body
status, body = by_hand(payload="0" * 64)
assert status == 400 and "XAmzContentSHA256Mismatch" in body, body
assert by_hand(payload="UNSIGNED-PAYLOAD")[0] == 200
assert by_hand(payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")[0] == 501
assert by_hand(signed=["x-amz-content-sha256", "x-amz-date"])[0] == 403
assert by_hand(signed=["host", "x-amz-date"])[0] == 403
assert by_hand(signed=["x-amz-date", "host", "x-amz-content-sha256"])[0] == 400
status, headers, body = Wire().send(b"GET /test/n/two/x HTTP/1.1\r\nHost: x\r\n\r\n").reply()
assert status == 403 and b"AccessDenied" in body

temp = client("TEMP", "TS", aws_session_token="a token")
assert temp.get_object(Bucket="test", Key="n/two/x")["Body"].read() == b"secret"
refused("InvalidToken", client("TEMP", "TS").get_object, Bucket="test", Key="n/two/x")
refused("InvalidToken", client("TEMP", "TS", aws_session_token="a tokem").get_object,
        Bucket="test", Key="n/two/x")
refused("InvalidToken", client(aws_session_token="any").get_object, Bucket="test", Key="n/two/x")

node = client("NODE", "NS")
def absent(params, **kwargs):
    params["headers"]["If-None-Match"] = "*"
refused("AccessDenied", node.put_object, Bucket="test", Key="n/one/x", Body=b"may replace")
node.meta.events.register("before-call.s3.PutObject", absent)
node.put_object(Bucket="test", Key="n/one/x", Body=b"mine")
refused("PreconditionFailed", node.put_object, Bucket="test", Key="n/one/x", Body=b"mine")
assert node.get_object(Bucket="test", Key="n/one/x")["Body"].read() == b"mine"
refused("AccessDenied", node.delete_object, Bucket="test", Key="n/one/x")
for key in ("n/two/x", "n/on", "n/onee/x", "h", "N/one/x"):
    refused("AccessDenied", node.get_object, Bucket="test", Key=key)
    refused("AccessDenied", node.put_object, Bucket="test", Key=key, Body=b"x")
refused("AccessDenied", node.list_objects_v2, Bucket="test")
refused("AccessDenied", node.list_objects_v2, Bucket="test", Prefix="n/")
assert node.list_objects_v2(Bucket="test", Prefix="n/one/")["KeyCount"] == 1
gone = node.delete_objects(Bucket="test", Delete={"Objects": [{"Key": "n/one/x"}, {"Key": "n/two/x"}]})
assert [e["Code"] for e in gone["Errors"]] == ["AccessDenied"] * 2 and "Deleted" not in gone
refused("AccessDenied", node.create_bucket, Bucket="other")
refused(403, node.create_multipart_upload, Bucket="test", Key="n/two/y")
u = node.create_multipart_upload(Bucket="test", Key="n/one/y")["UploadId"]
refused("AccessDenied", node.upload_part, Bucket="test", Key="n/two/y", UploadId=u, PartNumber=1, Body=b"")

import urllib.error, urllib.request
link = s.generate_presigned_url("get_object", {"Bucket": "test", "Key": "n/two/x"}, ExpiresIn=60)
assert "X-Amz-Signature" in link and urllib.request.urlopen(link).read() == b"secret"
for bad in (link.replace("n/two", "n/one"), link + "0", link.replace("Expires=60", "Expires=600")):
    try:
        urllib.request.urlopen(bad)
        raise AssertionError(bad)
    except urllib.error.HTTPError as error:
        assert error.code in (403, 400), error
END
s3_stop
s3_start late --clock-skew 1200
s3_python - <<'END'
from s3client import *
error = refused("RequestTimeTooSkewed", client().list_objects_v2, Bucket="test")
assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
END
