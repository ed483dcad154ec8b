#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The S3 server through TLS: large bodies both ways, many connections, and a client that checks the
# certificate; what is no TLS gets nothing.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
command -v openssl >/dev/null || skip 'no openssl'
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' \
    -keyout "$s3_work/key.pem" -out "$s3_work/cert.pem" 2>/dev/null || fail 'no certificate'
s3_start tls --tls-cert "$s3_work/cert.pem" --tls-key "$s3_work/key.pem"
s3_python - <<'END'
import os
from concurrent.futures import ThreadPoolExecutor
from botocore.exceptions import SSLError
from s3client import *
s = client(scheme="https", verify=os.environ["s3_work"] + "/cert.pem")
bodies = {f"k{i}": os.urandom(300000 * i) for i in range(12)}
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda k: s.put_object(Bucket="test", Key=k, Body=bodies[k]), bodies))
    got = pool.map(lambda k: s.get_object(Bucket="test", Key=k)["Body"].read(), bodies)
    assert list(got) == list(bodies.values())
assert s.get_object(Bucket="test", Key="k11", Range="bytes=-7")["Body"].read() == bodies["k11"][-7:]
assert s.list_objects_v2(Bucket="test")["KeyCount"] == 12
try:
    client(scheme="https").list_objects_v2(Bucket="test")
    raise AssertionError("a certificate that nobody knows was taken")
except SSLError:
    pass
assert Wire().send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").reply() is None
END
