# SPDX-License-Identifier: Apache-2.0
"""What the Python parts of the tests of the S3 server share: clients, and requests made by hand."""
import datetime
import hashlib
import hmac
import os
import socket
import urllib.parse

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

PORT = int(os.environ["s3_port"])
EMPTY = hashlib.sha256(b"").hexdigest()

# Names below localhost are this machine, but not every resolver knows.
_getaddrinfo = socket.getaddrinfo
socket.getaddrinfo = lambda host, *args, **kwargs: _getaddrinfo(
    "127.0.0.1" if str(host).endswith("localhost") else host, *args, **kwargs)


def client(access_key="AK", secret_key="SK", scheme="http", host="127.0.0.1", style="path", **more):
    # Each request once: what a test counts is what it asked for.
    config = dict(s3={"addressing_style": style}, retries={"max_attempts": 0},
                  max_pool_connections=32, signature_version="s3v4")
    try: # newer ones would send bodies in signed chunks through TLS
        config = Config(**config, request_checksum_calculation="when_required")
    except TypeError:
        config = Config(**config)
    return boto3.client("s3", endpoint_url=f"{scheme}://{host}:{PORT}", region_name="us-east-1",
                        aws_access_key_id=access_key, aws_secret_access_key=secret_key,
                        config=config, **more)


def refused(code, call, *args, **kwargs):
    """The call must fail with this S3 code or status."""
    try:
        call(*args, **kwargs)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert code in (got, status), f"{got} {status} instead of {code}: {error}"
        return error.response
    raise AssertionError(f"done, instead of {code}")


def sign(method, path, headers, query=(), payload=EMPTY, secret="SK", key="AK", when=None,
         region="us-east-1", signed=None):
    """Adds host, date, hash and Authorization to the headers of a request made by hand."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    headers = {k.lower(): v for k, v in headers.items()}
    headers.setdefault("host", f"127.0.0.1:{PORT}")
    headers["x-amz-date"] = stamp
    headers["x-amz-content-sha256"] = payload
    signed = signed or sorted(k for k in headers if k == "host" or k.startswith("x-amz-"))
    quote = lambda text: urllib.parse.quote(text, safe="-_.~")
    canonical = "\n".join([
        method, urllib.parse.quote(urllib.parse.unquote(path), safe="/-_.~"),
        "&".join(f"{quote(k)}={quote(v)}" for k, v in sorted(query)),
        "".join(f"{k}:{headers.get(k, '').strip()}\n" for k in signed), ";".join(signed), payload])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    mac = ("AWS4" + secret).encode()
    for part in [stamp[:8], region, "s3", "aws4_request", text]:
        mac = hmac.new(mac, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key}/{scope}, "
                                f"SignedHeaders={';'.join(signed)}, Signature={mac.hex()}")
    return headers


def head(method, target, headers):
    lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


class Wire:
    """One connection of raw bytes."""

    def __init__(self, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", PORT), timeout)
        self.left = b""

    def send(self, data):
        self.socket.sendall(data)
        return self

    def reply(self, bodyless=False):
        """(status, headers, body) of the next reply; None where the connection ended."""
        while b"\r\n\r\n" not in self.left:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.left += more
        top, self.left = self.left.split(b"\r\n\r\n", 1)
        lines = top.decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        want = 0 if bodyless else int(headers.get("content-length", 0))
        while len(self.left) < want:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError("the body is cut")
            self.left += more
        body, self.left = self.left[:want], self.left[want:]
        return int(lines[0].split()[1]), headers, body

    def ended(self):
        try:
            return self.left == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def log_lines():
    """The request log as lists of words."""
    with open(os.environ["s3_log"]) as file:
        return [line.split() for line in file]
