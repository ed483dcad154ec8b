#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an attacker sends over a raw connection: smuggled requests, oversized and malformed heads,
# forged signatures, keys that climb, documents that bomb, slow clients; others are served all the
# while, and memory stays small.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
s3_start attacks --stall 2 --connections 100
SERVER_PID=${s3_pids[0]}
export SERVER_PID
s3_python - <<'END'
import hashlib, os, time
from s3client import *
s = client()
s.put_object(Bucket="test", Key="x", Body=b"victim")
raw = lambda data: Wire().send(data).reply()

def status(data):
    wire = Wire().send(data)
    got = wire.reply()
    assert got is None or wire.ended(), data # what follows could be read in another way
    return got and got[0]

put = sign("PUT", "/test/y", {}, payload="UNSIGNED-PAYLOAD")
def request(extra, method="PUT", target="/test/y", headers=put, body=b""):
    return head(method, target, headers)[:-2] + extra + b"\r\n" + body

smuggled = b"GET /test/x HTTP/1.1\r\nHost: x\r\n\r\n"
for extra, want in [
        (b"Content-Length: 5\r\nContent-Length: 6\r\n", 400), (b"Content-Length: 5\r\ncontent-length: 5\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400), (b"Transfer-Encoding: chunked\r\n", 501),
        (b"Transfer-Encoding: identity\r\n", 501), (b"Transfer-Encoding : chunked\r\n", 400),
        (b"Content-Length: +5\r\n", 400), (b"Content-Length: 5, 5\r\n", 400), (b"Content-Length: 0x5\r\n", 400),
        (b"Content-Length: -1\r\n", 400), (b"Content-Length:\r\n", 400), (b"Content-Length: 5\n", 400),
        (b"Content-Length: 99999999999999999999\r\n", 413), (b"X: a\r\n folded: b\r\n", 400),
        (b"X: a\rb\r\n", 400), (b"X: a\0b\r\n", 400), (b"Host: other\r\n", 400), (b": x\r\n", 400), (b"no colon\r\n", 400)]:
    assert status(request(extra, body=b"0\r\n\r\n" + smuggled)) == want, extra
for data, want in [
        (b"GET /test/x HTTP/1.1\r\n\r\n", 400), (b"GET  /test/x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://x/test/x HTTP/1.1\r\nHost: x\r\n\r\n", 400), (b"GET /test/x HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /test/x\r\n\r\n", 400), (b"\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00", 400), (b"GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414), (b"GET /x HTTP/1.1\r\nX: " + b"a" * 20000, 431),
        (b"GET /x HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 70 + b"\r\n", 431), (b"G" * 20000, 431)]:
    assert status(data) == want, data[:60]

# Bodies and pipelined requests are told apart.
one = head("PUT", "/test/y", {**put, "content-length": str(len(smuggled))}) + smuggled
two = head("GET", "/test/y", sign("GET", "/test/y", {}))
wire = Wire().send(one + two + two)
assert wire.reply()[0] == 200 and wire.reply()[2] == smuggled and wire.reply()[2] == smuggled

# Forged: each part of what was signed is changed in turn.
good = sign("GET", "/test/x", {"x-amz-meta-a": "1"})
assert raw(head("GET", "/test/x", good))[2] == b"victim"
for method, target, change in [
        ("HEAD", "/test/x", {}), ("DELETE", "/test/x", {}), ("GET", "/test/y", {}), ("GET", "/test/x?versioning=", {}),
        ("GET", "/test/x?x-id=1", {}), ("GET", "/test/%78/", {}), ("GET", "/test/x", {"x-amz-meta-a": "2"}),
        ("GET", "/test/x", {"x-amz-meta-b": "1"}), ("GET", "/test/x", {"host": "other"}), ("GET", "/test/x", {"x-amz-date": "20200101T000000Z"}),
        ("GET", "/test/x", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}), ("GET", "/test/x", {"authorization": good["authorization"][:-1]}),
        ("GET", "/test/x", {"authorization": good["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")}),
        ("GET", "/test/x", {"authorization": good["authorization"][:-64] + "0" * 64}), ("GET", "/test/x", {"authorization": "AWS4-HMAC-SHA256 " + "a" * 4000})]:
    got = Wire().send(head(method, target, {**good, **change})).reply(bodyless=method == "HEAD")
    assert got[0] in (400, 403, 501), (method, target, change, got)
assert s.get_object(Bucket="test", Key="x")["Body"].read() == b"victim"

# Keys that climb, as they are and escaped; the root has its bucket and no more.
outside = os.environ["s3_work"] + "/outside"
open(outside, "w").write("secret")
for path in ["/test/../outside", "/test/..%2F..%2Foutside", "/../outside", "/..%2Foutside", "/test/%2e%2e/%2e%2e/outside",
             "/.%2E/x", "/test//etc/passwd", "/test/_tmp", "/test/_uploads/x", "/_tmp/x", "/test/%5C..%5Coutside"]:
    got = raw(head("GET", path, sign("GET", path, {})))
    assert got[0] in (400, 404) and b"secret" not in got[2], (path, got)
for path in ["/test/%00", "/test/%ff", "/test/%c0%af", "/test/%", "/test/%zz", "/t%00est/x"]:
    assert raw(head("GET", path, {"host": "x"}))[0] == 400, path
assert sorted(os.listdir(os.environ["s3_root"])) == ["test"]

def post(document, target="delete"):
    headers = sign("POST", "/test", {"x-amz-checksum-sha256": __import__("base64").b64encode(
        hashlib.sha256(document).digest()).decode()}, query=[(target, "")], payload="UNSIGNED-PAYLOAD")
    return raw(head("POST", "/test?" + target, {**headers, "content-length": str(len(document))}) + document)
for document in [b"", b"<", b"<Delete>", b"<Delete/>", b"<Delete></Other>", b"<Delete><Object><Key>x</Key></Delete>", b"<a>" * 50000,
                 b'<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>&b;</Key></Object></Delete>', b"<Delete><Object><Key>x&#0;</Key></Object></Delete>",
                 b"<Delete><Object><Key>x</Key><VersionId>1</VersionId></Object></Delete>", b"<Delete>" + b"<Object><Key>x</Key></Object>" * 1001 + b"</Delete>"]:
    got = post(document)
    assert got[0] == 400 and b"MalformedXML" in got[2], (document[:80], got)
assert s.get_object(Bucket="test", Key="x")["Body"].read() == b"victim"
assert raw(head("POST", "/test?delete", {**sign("POST", "/test", {}, query=[("delete", "")], payload="UNSIGNED-PAYLOAD"),
                                         "content-length": str(5 << 20)}) + b" " * (5 << 20))[0] == 400

# Slow clients are given up; the others don't wait for them.
idle = [Wire() for _ in range(60)]
trickle = Wire().send(b"GET /test/x HTTP/1.1\r\n")
stuck = Wire().send(head("PUT", "/test/stuck", {**sign("PUT", "/test/stuck", {}, payload="UNSIGNED-PAYLOAD"), "content-length": "1000000"}) + b"x")
began = time.monotonic()
assert s.get_object(Bucket="test", Key="x")["Body"].read() == b"victim" and time.monotonic() - began < 1
assert trickle.reply()[0] == 408 and b"RequestTimeout" in stuck.reply()[2]
assert all(w.ended() for w in idle) and 1 < time.monotonic() - began < 10
crowd = [Wire() for _ in range(150)] # more than it takes: the rest waits, and comes when these are gone
assert s.get_object(Bucket="test", Key="x")["Body"].read() == b"victim"
assert os.listdir(os.environ["s3_root"] + "/test/_tmp") == []
peak = int(open(f"/proc/{os.environ['SERVER_PID']}/status").read().split("VmHWM:")[1].split()[0])
assert peak < 65536 or os.environ.get("SANITIZER", "no") != "no", f"{peak} KiB"
END
