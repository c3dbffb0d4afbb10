#!/usr/bin/env bash
# uvicorn 0.54.0 on Linux: a server on a socket that was bound beforehand answers each request of an open connection
# about 40 ms late.
# Guess before the try: who binds the socket changes nothing.
# Seen: the accepted sockets inherit the protocol of the one that listens. asyncio turns Nagle's algorithm off only where
# it is IPPROTO_TCP, and `socket.socket(family, type)` leaves it at 0. uvicorn writes head and body of an answer apart, so
# the body waits for the client's delayed acknowledgement. uvicorn's own `Config.bind_socket()`, which `--workers` uses,
# makes such a socket: https://github.com/Kludex/uvicorn/issues/3149
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check uvicorn==0.54.0 2>/dev/null
cd "$place"
"$place/env/bin/python" - <<'PY'
import socket
import sys
import threading
import time
from http.client import HTTPConnection
from importlib.metadata import version

import uvicorn


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def median_ms(make):
    config = uvicorn.Config(app, log_level="error", lifespan="off", port=0)
    listener, server = make(config), uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    line, spent = HTTPConnection("127.0.0.1", listener.getsockname()[1]), []
    for _ in range(41):
        began = time.perf_counter()
        line.request("GET", "/")
        line.getresponse().read()
        spent.append(1000 * (time.perf_counter() - began))
    line.close()
    server.should_exit = True
    thread.join()
    return sorted(spent)[20]


def bound(protocol):
    def make(config):
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
        made.bind(("127.0.0.1", 0))
        return made

    return make


print("uvicorn", version("uvicorn"), "Python", sys.version.split()[0])
ways = {
    "bind_socket": lambda config: config.bind_socket(),
    "socket of protocol 0": bound(0),
    "socket of IPPROTO_TCP": bound(socket.IPPROTO_TCP),
}
found = {name: median_ms(make) for name, make in ways.items()}
for name, ms in found.items():
    print(f"{name}: {ms:.1f} ms for a request, the median of 41")
assert min(found["bind_socket"], found["socket of protocol 0"]) > 30, "changed: a bound socket answers at once"
assert found["socket of IPPROTO_TCP"] < 30, "changed: a named protocol no longer helps, or this machine is too busy"
PY
