#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Object Lock: what is locked is neither replaced nor removed until its time, a compliance lock by
# nobody, and a lock only grows.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start locks
cat >"$s3_work/locks.py" <<'END'
import base64, datetime, hashlib, sys
from s3client import *
s = client()
now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
hours = lambda n: now + datetime.timedelta(hours=n)
def put(key, body=b"x", **more):
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    return s.put_object(Bucket="test", Key=key, Body=body, ContentMD5=md5, **more)
remove = lambda key, **more: s.delete_object(Bucket="test", Key=key, **more)
lock = lambda mode, until: dict(ObjectLockMode=mode, ObjectLockRetainUntilDate=until)
keep = lambda key, mode, until, **more: s.put_object_retention(
    Bucket="test", Key=key, Retention={"Mode": mode, "RetainUntilDate": until}, **more)

if sys.argv[1] == "later":
    ahead = datetime.timedelta(hours=2)
    def remove(key):
        headers = sign("DELETE", "/test/" + key, {}, when=now + ahead)
        status, _, body = Wire().send(head("DELETE", "/test/" + key, headers)).reply()
        return status, body
    for key in ("compliance", "governance"):
        assert remove(key)[0] == 204, key
    assert remove("longer")[0] == 403
    sys.exit()

put("compliance", **lock("COMPLIANCE", hours(1)))
found = s.head_object(Bucket="test", Key="compliance")
assert found["ObjectLockMode"] == "COMPLIANCE" and found["ObjectLockRetainUntilDate"] == hours(1)
refused("AccessDenied", put, "compliance", b"other")
refused("AccessDenied", remove, "compliance")
refused("AccessDenied", remove, "compliance", BypassGovernanceRetention=True)
refused("AccessDenied", keep, "compliance", "COMPLIANCE", hours(0.5))
refused("AccessDenied", keep, "compliance", "GOVERNANCE", hours(3), BypassGovernanceRetention=True)
batch = s.delete_objects(Bucket="test", Delete={"Objects": [{"Key": "compliance"}, {"Key": "no"}]})
assert [e["Code"] for e in batch["Errors"]] == ["AccessDenied"], batch
assert [e["Key"] for e in batch["Deleted"]] == ["no"]
assert s.get_object(Bucket="test", Key="compliance")["Body"].read() == b"x"

put("governance", **lock("GOVERNANCE", hours(1)))
refused("AccessDenied", remove, "governance")
put("bypassed", **lock("GOVERNANCE", hours(1)))
remove("bypassed", BypassGovernanceRetention=True)

put("longer", **lock("COMPLIANCE", hours(1)))
keep("longer", "COMPLIANCE", hours(10))
got = s.get_object_retention(Bucket="test", Key="longer")["Retention"]
assert got == {"Mode": "COMPLIANCE", "RetainUntilDate": hours(10)}, got

put("hold", ObjectLockLegalHoldStatus="ON")
refused("AccessDenied", remove, "hold", BypassGovernanceRetention=True)
assert s.get_object_legal_hold(Bucket="test", Key="hold")["LegalHold"]["Status"] == "ON"
s.put_object_legal_hold(Bucket="test", Key="hold", LegalHold={"Status": "OFF"})
remove("hold")

put("free")
refused("NoSuchObjectLockConfiguration", s.get_object_retention, Bucket="test", Key="free")
refused("InvalidArgument", put, "past", **lock("COMPLIANCE", hours(-1)))
refused("InvalidArgument", put, "half", ObjectLockMode="COMPLIANCE")
headers = sign("PUT", "/test/bare", {"x-amz-object-lock-mode": "COMPLIANCE",
    "x-amz-object-lock-retain-until-date": hours(1).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "content-length": "1"}, payload="UNSIGNED-PAYLOAD") # a lock wants a digest of the body
status, _, body = Wire().send(head("PUT", "/test/bare", headers) + b"x").reply()
assert status == 400 and b"InvalidRequest" in body, (status, body)
END
s3_python "$s3_work/locks.py" now
s3_stop
# Two hours later by the server's clock, and by the client's.
s3_start locks --clock-skew 7200
s3_python "$s3_work/locks.py" later
