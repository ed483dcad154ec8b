#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 63 nodes and an administrator at once, each with its key and prefix: every one is served, reads back what it wrote, sees
# nothing of its neighbour, and the server's memory stays under 128 MiB.
. "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}/tests/tools/s3.sh"
keys=()
for ((i = 0; i < 63; i++)); do
    keys+=(--access-key "N$i" --secret-key "S$i" --prefix "n/$i/" --append-only)
done
s3_start nodes "${keys[@]}"
SERVER_PID=${s3_pids[0]}
export SERVER_PID
s3_python - <<'END'
import hashlib, http.client, os, threading
from s3client import *
wrong = []

def node(i):
    try:
        wire = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        def ask(method, path, body=b"", want=200, **headers):
            signed = sign(method, path, headers, key=f"N{i}", secret=f"S{i}",
                          payload=hashlib.sha256(body).hexdigest())
            signed["content-length"] = str(len(body))
            wire.request(method, path, body, signed)
            reply = wire.getresponse()
            text = reply.read()
            assert reply.status == want, (i, method, path, reply.status, text)
            return text
        for n in range(4):
            body = bytes([i, n]) * (100000 * n + 7)
            ask("PUT", f"/test/n/{i}/{n}", body, **{"if-none-match": "*"})
            assert ask("GET", f"/test/n/{i}/{n}") == body
        ask("GET", f"/test/n/{(i + 1) % 63}/0", want=403)
        ask("PUT", f"/test/n/{(i + 1) % 63}/x", b"x", want=403, **{"if-none-match": "*"})
        ask("PUT", f"/test/n/{i}/0", b"x", want=403)
        ask("DELETE", f"/test/n/{i}/0", want=403)
    except Exception as error: # told by the one thread that may
        wrong.append(repr(error))

threads = [threading.Thread(target=node, args=(i,)) for i in range(63)]
[t.start() for t in threads]
[t.join() for t in threads]
assert not wrong, wrong[:3]
peak = int(open(f"/proc/{os.environ['SERVER_PID']}/status").read().split("VmHWM:")[1].split()[0])
print(f"{peak} KiB")
assert peak < 131072 or os.environ.get("SANITIZER", "no") != "no"
assert client().list_objects_v2(Bucket="test")["KeyCount"] == 63 * 4
END
