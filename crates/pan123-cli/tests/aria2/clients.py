#!/usr/bin/env python3
"""Drives `pan123 serve` with clients for aria2 as they come from the registries, on loopback:

    python3 -m venv venv && venv/bin/pip install aria2p aioaria2
    npm install --prefix node aria2
    cargo build --package pan123-cli
    PAN123_NODE_MODULES=$PWD/node/node_modules venv/bin/python crates/pan123-cli/tests/aria2/clients.py

Without PAN123_NODE_MODULES the npm package is left out.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time

import aioaria2
import aria2p

LIMIT = 60
SECRET = "comparison"


def wait_until(what, done):
    end = time.time() + LIMIT
    while time.time() < end:
        if done():
            return
        time.sleep(0.1)
    sys.exit(f"in {LIMIT} s it did not come: {what}")


def with_aria2p(port):
    api = aria2p.API(aria2p.Client(host="http://127.0.0.1", port=port, secret=SECRET, timeout=LIMIT))
    first = api.add_uris(["http://source.example/a"], options={"dir": "/videos", "out": "a.bin", "pause": "true"})
    second = api.add_uris(["http://source.example/b"], options={"pause": "true"})
    assert [download.gid for download in api.get_downloads()] == [first.gid, second.gid]
    assert first.status == "paused" and first.name == "a.bin" and str(first.dir) == "/videos", first.status
    assert second.move_to_top() is not None
    assert [download.gid for download in api.get_downloads()] == [second.gid, first.gid]
    second.remove()
    wait_until("the removal", lambda: [download.gid for download in api.get_downloads()] == [first.gid])
    first.options.out = "b.bin"
    first.update()
    assert first.name == "b.bin", first.name
    first.resume()
    wait_until("its end", lambda: api.get_download(first.gid).is_complete)
    first.update()
    assert first.progress == 100 and first.total_length > 0
    assert api.get_stats().num_stopped == 1
    api.pause_all()
    api.resume_all()
    assert api.purge() and api.get_downloads() == []
    print("aria2p: added, listed, moved, renamed, resumed, removed, purged")
    environment = dict(os.environ, PATH=os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])
    command = ["aria2p", "-p", str(port), "-H", "http://127.0.0.1", "-s", SECRET]
    for arguments in [["add", "http://source.example/c"], ["show"], ["purge"]]:
        subprocess.run(command + arguments, check=True, env=environment, stdout=subprocess.DEVNULL)
    print("aria2p: add, show, purge from the command line")


async def with_aioaria2(port):
    url = f"http://127.0.0.1:{port}/jsonrpc"
    client = await aioaria2.Aria2WebsocketClient.new(url, token=SECRET)
    ends = asyncio.Queue()

    async def ended(_, notification):
        await ends.put(notification["params"][0]["gid"])

    client.onDownloadComplete(ended)
    gid = await client.addUri(["http://source.example/d"], options={"out": "d.bin"})
    while await asyncio.wait_for(ends.get(), LIMIT) != gid:
        pass
    row = await client.tellStatus(gid, ["gid", "status"])
    assert row == {"gid": gid, "status": "complete"}, row
    assert (await client.getGlobalStat())["numActive"].isdigit()
    await client.removeDownloadResult(gid)
    await client.close()
    print("aioaria2: added, told of the end, removed")


def main():
    program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/debug/pan123")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    started = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            secret = os.path.join(folder, "secret")
            with open(secret, "w") as file:
                file.write(SECRET)
            mock = subprocess.Popen([program, "mock", "--listen", "127.0.0.1:0", "--rate-limits", "free"], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)
            started.append(mock)
            environment = {
                "HOME": folder, "PAN123_CONFIG_DIR": f"{folder}/config", "PAN123_STATE_DIR": f"{folder}/state",
                "PAN123_BASE_URL": mock.stdout.readline().strip(), "PAN123_CLIENT_ID": "mock-client-id",
                "PAN123_CLIENT_SECRET": "mock-client-secret",
            }
            serve = subprocess.Popen([program, "serve", "--listen", f"127.0.0.1:{port}", "--secret-file", secret], env=environment,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            started.append(serve)
            serve.stdout.readline()
            with_aria2p(port)
            asyncio.run(with_aioaria2(port))
            modules = os.environ.get("PAN123_NODE_MODULES")
            if modules:
                script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client.mjs")
                subprocess.run(["node", script, modules, str(port), SECRET], check=True)
        finally:
            for process in started:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
