#!/usr/bin/env python3
"""Sends the same requests to Debian's aria2c and to `pan123 serve`, and compares HTTP status, error codes, keys and types.

    apt-get install aria2 && cargo build && python3 crates/pan123-cli/tests/aria2/compare.py

All of it is on loopback. A difference that is not meant makes it fail; MEANT lists the others, each with its reason.
"""

import http.client
import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECRET = "comparison"
A, B, SLOW, SMALL, NONE = "00000000000000a1", "00000000000000b1", "00000000000000c1", "00000000000000d1", "ffffffffffffffff"
LIMIT = 60

# Differences that are meant: the label of a request, and why.
MEANT = {
    "a number": "a body that is a number is no request; aria2 calls it a parse error",
    "methods": "besides those of aria2 there are those of the page",
    "notifications": "no BitTorrent, so no onBtDownloadComplete",
    "version": "`pan123` is the version of the service, besides that of aria2",
    "save session": "the queue is always saved; aria2 was given no file to save it to",
    "global option": "only `dir` has an effect",
    "option of paused": "only `dir` and `out` have an effect",
    "option of active": "only `dir` and `out` have an effect",
    "add bad gid": "a gid that is none is named, instead of `No URI to download.`",
    "add gid in use": "a gid that is in use is named, instead of `No URI to download.`",
    "add no url": "what is wrong with the URL is named, instead of `No URI to download.`",
    "add torrent": "123pan fetches http and https only",
    "add metalink": "123pan fetches http and https only",
    "change option of active": "what is sent cannot be changed",
    "servers of active": "the servers that 123pan uses are not known",
}
# Nothing is fetched in pieces.
NO_KEYS = {"bitfield"}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Source(http.server.BaseHTTPRequestHandler):
    """A small file, and one that never comes to its end."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000" if "slow" in self.path else "5")
        self.end_headers()
        self.wfile.write(b"hello")
        self.wfile.flush()
        if "slow" in self.path:
            time.sleep(LIMIT)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server:
    """One of the two that are compared."""

    def __init__(self, port):
        self.port = port

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        return response.status, response.getheader("Content-Type"), answer

    def call(self, method, *params):
        call = {"id": "x", "method": "aria2." + method, "params": ["token:" + SECRET, *params]}
        return self.send("POST", "/jsonrpc", json.dumps(call))

    def wait(self, gid, status):
        end = time.time() + LIMIT
        while time.time() < end:
            _, _, answer = self.call("tellStatus", gid, ["status"])
            if answer.get("result", {}).get("status") == status:
                return
            time.sleep(0.1)
        sys.exit(f"{gid} is not {status} on port {self.port}: {answer}")


def shape(value):
    """The keys and types of a value; of a text whether it is a number."""
    if isinstance(value, dict):
        return {key: shape(value[key]) for key in sorted(value) if key not in NO_KEYS}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str):
        return "number in a text" if value.isdigit() else "text"
    return type(value).__name__


def seen(label, response):
    status, content_type, answer = response
    if isinstance(answer, dict) and "error" in answer:
        error = answer["error"]
        # The service says more after the words of aria2.
        message = error["message"].split(": 123pan")[0].split(": it is ")[0]
        return status, content_type, answer.get("id"), error["code"], message
    if label in ("methods", "notifications"):
        return status, sorted(answer["result"])
    return status, content_type, shape(answer)


def requests(source):
    """Yields the label of each request and how it is sent, in an order that both can follow."""

    def post(label, body):
        return label, lambda server: server.send("POST", "/jsonrpc", body)

    def call(label, method, *params):
        return label, lambda server: server.call(method, *params)

    def wait(gid, status):
        return None, lambda server: server.wait(gid, status)

    token = "token:" + SECRET
    for label, body in [
        ("no JSON", "nope"), ("nothing", ""), ("a number", "5"), ("a text", '"x"'), ("an object", "{}"), ("an empty array", "[]"),
        ("no method", '{"id":1}'), ("a method that is no text", '{"id":1,"method":5}'), ("no id", '{"method":"aria2.getVersion"}'),
        ("parameters by name", '{"id":1,"method":"aria2.getVersion","params":{}}'),
        ("no token", '{"id":1,"method":"aria2.getVersion"}'),
        ("wrong token", '{"id":1,"method":"aria2.getVersion","params":["token:wrong"]}'),
        ("unknown method without a token", '{"id":1,"method":"foo"}'),
        ("unknown method", json.dumps({"id": 1, "method": "foo", "params": [token]})),
        ("id that is null", json.dumps({"id": None, "method": "aria2.getGlobalStat", "params": [token]})),
        ("id that is an object", json.dumps({"id": {"a": [1]}, "method": "aria2.getGlobalStat", "params": [token]})),
        ("an array", json.dumps([{"id": 1, "method": "aria2.getGlobalStat", "params": [token]}, 5, {"id": 2}])),
        ("methods", '{"id":1,"method":"system.listMethods"}'),
        ("notifications", '{"id":1,"method":"system.listNotifications"}'),
        ("multicall without parameters", '{"id":1,"method":"system.multicall"}'),
        ("multicall of a number", '{"id":1,"method":"system.multicall","params":[5]}'),
    ]:
        yield post(label, body)
    for nested in [
        {"methodName": "aria2.getGlobalStat", "params": [token]}, {"methodName": "aria2.getGlobalStat"}, {"methodName": "system.multicall"},
        5, {"foo": 1}, {"methodName": "x", "params": [token]}, {"methodName": "system.listMethods"},
    ]:
        yield post(f"multicall of {nested}"[:60], json.dumps({"id": 1, "method": "system.multicall", "params": [[nested]]}))
    yield call("version", "getVersion")
    yield call("session", "getSessionInfo")
    yield call("save session", "saveSession")
    yield call("global option", "getGlobalOption")
    yield call("change global option", "changeGlobalOption", {"x": None})
    yield call("change global option without one", "changeGlobalOption")

    yield call("add without URIs", "addUri", [])
    yield call("add without parameters", "addUri")
    yield call("add a text", "addUri", "http://h/")
    yield call("add no texts", "addUri", [1, None])
    yield call("add no url", "addUri", ["foo"])
    yield call("add options that are a list", "addUri", ["http://h/"], [])
    yield call("add position that is a text", "addUri", ["http://h/"], {}, "1")
    yield call("add bad gid", "addUri", ["http://h/"], {"gid": "zz"})
    yield call("add torrent", "addTorrent", "eA==")
    yield call("add metalink", "addMetalink", "eA==")
    yield call("add torrent without one", "addTorrent")
    for gid in [A, B]:
        options = {"gid": gid, "pause": "true", "out": gid, "foo": "bar", "split": None, "header": ["X: 1"]}
        yield call(f"add {gid}", "addUri", [f"{source}/{gid}", f"{source}/other"], options)
    yield call("add gid in use", "addUri", ["http://h/"], {"gid": A})
    yield call("status of paused", "tellStatus", A)
    yield call("status by keys", "tellStatus", A.upper(), ["gid", "status", "no key", 5])
    yield call("waiting rows", "tellWaiting", 0, 10)
    yield call("waiting without keys", "tellWaiting", 0, 10, [])
    for offset, count in [(0, 10), (1, 1), (-1, 10), (-2, 10), (-3, 10), (5, 1), (0, 0)]:
        yield f"waiting {offset} {count}", lambda server, o=offset, c=count: gids(server.call("tellWaiting", o, c, ["gid"]))
    for params in [[0, -1], [0], ["0", 1], [0, 1, "x"]]:
        yield call(f"waiting {params}", "tellWaiting", *params)
    yield call("active without any", "tellActive")
    yield call("active of a text", "tellActive", "x")
    yield call("statistics", "getGlobalStat")
    for gid in ["", "xyz", "ff", "0000", A[:15], NONE, 5]:
        yield call(f"status of {gid!r}", "tellStatus", gid)
    yield call("status of nothing", "tellStatus")
    for method in ["getFiles", "getUris", "getPeers", "getServers", "getOption", "pause", "removeDownloadResult"]:
        label = {"getOption": "option"}.get(method, method)
        yield call(f"{label} of paused", method, A)
    for method in ["getFiles", "getUris", "getPeers", "getServers", "getOption", "pause", "forcePause", "unpause", "remove", "forceRemove", "removeDownloadResult"]:
        yield call(f"{method} of none", method, NONE)
    for place, how in [(0, "POS_X"), ("0", "POS_SET"), (99, "POS_SET"), (-99, "POS_CUR"), (-1, "POS_END"), (-1, "POS_SET")]:
        yield f"move {place} {how}", lambda server, p=place, h=how: value(server.call("changePosition", A, p, h))
    yield call("move without a place", "changePosition", A)
    yield call("change option of paused", "changeOption", A, {"out": "n.bin", "zz": "1"})
    yield call("change option without any", "changeOption", A)
    yield call("files of changed", "getFiles", A)
    yield call("unpause none", "unpause", NONE)
    yield call("pause all", "pauseAll")
    yield call("remove paused", "remove", B)
    yield call("remove removed", "remove", B)
    yield call("status after remove", "tellStatus", B)

    yield call("add slow", "addUri", [f"{source}/slow"], {"gid": SLOW})
    yield wait(SLOW, "active")
    yield call("status of active", "tellStatus", SLOW)
    yield call("active rows", "tellActive")
    yield call("servers of active", "getServers", SLOW)
    yield call("option of active", "getOption", SLOW)
    yield call("move active", "changePosition", SLOW, 0, "POS_SET")
    yield call("unpause active", "unpause", SLOW)
    yield call("result of active", "removeDownloadResult", SLOW)
    yield call("change option of active", "changeOption", SLOW, {"out": "x"})
    yield call("add small", "addUri", [f"{source}/small"], {"gid": SMALL, "out": "small"})
    yield wait(SMALL, "complete")
    yield call("status of complete", "tellStatus", SMALL)
    yield call("stopped rows", "tellStopped", 0, 10)
    for method in ["pause", "unpause", "remove", "forceRemove"]:
        yield call(f"{method} complete", method, SMALL)
    yield call("result of complete", "removeDownloadResult", SMALL)
    yield call("status after that", "tellStatus", SMALL)
    yield call("force away", "forceRemove", SLOW)
    yield wait(SLOW, "removed")
    yield call("status of removed", "tellStatus", SLOW, ["status", "errorCode"])
    yield call("purge", "purgeDownloadResult")
    yield call("stopped after that", "tellStopped", 0, 10)
    yield "GET with a query", lambda server: server.send("GET", "/jsonrpc?method=system.listNotifications&id=foo")
    yield "GET without one", lambda server: server.send("GET", "/jsonrpc")
    yield "PUT", lambda server: server.send("PUT", "/jsonrpc", "x")[:1]
    yield "another path", lambda server: server.send("POST", "/x", "x")[:1]
    yield "preflight of the same origin", lambda server: server.send("OPTIONS", "/jsonrpc", None, {"Origin": f"http://127.0.0.1:{server.port}"})[:1]


def gids(response):
    return response[0], [row["gid"] for row in response[2]["result"]]


def value(response):
    return response[0], response[2].get("result", response[2].get("error"))


def start(arguments, environment=None, **options):
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True, **options)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "target/debug/pan123"
    program = os.path.abspath(program)
    source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Source)
    source.daemon_threads = True
    threading.Thread(target=source.serve_forever, daemon=True).start()
    source_url = f"http://127.0.0.1:{source.server_port}"
    started = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            secret = os.path.join(folder, "secret")
            with open(secret, "w") as file:
                file.write(SECRET)
            aria2, service = Server(free_port()), Server(free_port())
            started.append(start(["aria2c", "--no-conf", "--enable-rpc", f"--rpc-listen-port={aria2.port}", f"--rpc-secret={SECRET}",
                                  f"--dir={folder}/aria2", "--quiet", "--file-allocation=none"]))
            mock = start([program, "mock", "--listen", "127.0.0.1:0", "--fetch", f"{folder}/mock", "--rate-limits", "free"], stderr=subprocess.DEVNULL)
            started.append(mock)
            environment = {
                "HOME": folder, "PAN123_CONFIG_DIR": f"{folder}/config", "PAN123_STATE_DIR": f"{folder}/state",
                "PAN123_BASE_URL": mock.stdout.readline().strip(), "PAN123_CLIENT_ID": "mock-client-id",
                "PAN123_CLIENT_SECRET": "mock-client-secret",
            }
            serve = start([program, "serve", "--json", "--listen", f"127.0.0.1:{service.port}", "--secret-file", secret], environment)
            started.append(serve)
            serve.stdout.readline()
            threading.Thread(target=serve.stdout.read, daemon=True).start()
            wait_for(aria2.port)
            sys.exit(compare(aria2, service, source_url))
        finally:
            for process in started:
                process.kill()
                process.wait()


def wait_for(port):
    end = time.time() + LIMIT
    while time.time() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def compare(aria2, service, source):
    sent, meant, bad = 0, set(), 0
    for label, send in requests(source):
        theirs, ours = send(aria2), send(service)
        if label is None:
            continue
        sent += 1
        if len(theirs) == 3:
            theirs, ours = seen(label, theirs), seen(label, ours)
        if theirs == ours:
            continue
        reason = MEANT.get(label)
        if reason:
            meant.add(label)
        else:
            bad += 1
        print(f"{label}: {reason or 'NOT MEANT'}\n    aria2: {str(theirs)[:200]}\n    serve: {str(ours)[:200]}")
    for label in MEANT.keys() - meant:
        bad += 1
        print(f"{label}: there is no difference any more")
    print(f"{sent} requests, {len(meant)} differences that are meant, {bad} that are not")
    return 1 if bad else 0


if __name__ == "__main__":
    main()
