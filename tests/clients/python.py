"""py-123pan-client against the mock: from a token to a finished download, and through the drive around it."""

import importlib.metadata
import json
import sys
import time
import urllib.request

from py_123pan_client import PanAPIError, PanClient, PanTokenExpiredError

base_url, source = sys.argv[1:]


def admin(method, what, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base_url}/__admin/{what}", data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def say(what, value):
    print(f"{what}: {value}")


def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error as refusal:
        return refusal
    raise AssertionError("it was not refused")


say("py-123pan-client", importlib.metadata.version("py-123pan-client"))
client = PanClient("mock-client-id", "mock-client-secret", base_url=base_url)
say("token until", client.login()["expiredAt"])
user = client.get_user_info()
say("user", user.uid)

folder = client.mkdir("videos/2026")
say("folder videos/2026", folder)
say("the same again", refused(PanAPIError, client.mkdir, "videos"))
assert [file.filename for file in client.iter_files()] == ["videos"]

callback = source.rsplit("/", 1)[0] + "/callback"
task = client.offline_download(source, dir_id=folder, callback_url=callback).task_id
say("task", task)
while True:
    progress = client.get_offline_process(task)
    say("progress", f"{progress.process} % status {progress.status}")
    if progress.status in (1, 2):
        break
    time.sleep(0.05)
assert progress.status == 2

file = next(client.iter_files(folder))
say("file", f"{file.file_id} {file.filename} {file.size} bytes")
assert (file.filename, file.size) == ("film.mp4", 5_000_000)
assert client.get_file_detail(file.file_id).parent_file_id == folder
assert client.rename_file(file.file_id, "film one.mp4")
assert client.rename_files({file.file_id: "片一.mp4"})
target = client.mkdir("archive")
assert client.move_files([file.file_id], target)
moved = next(client.iter_files(target))
say("moved and renamed", f"{moved.file_id} {moved.filename}")
assert (moved.file_id, moved.filename) == (file.file_id, "片一.mp4")
say("download link", client.get_download_url(file.file_id))
assert client.trash_files([file.file_id])
assert next(client.iter_files(target)).trashed == 1
say("unknown file", refused(PanAPIError, client.get_file_detail, 1))
say("unknown task", refused(PanAPIError, client.get_offline_process, 1))

for number in range(7):
    client.mkdir(f"page {number}")
pages = [file.filename for file in client.iter_files(batch_size=3)]
assert pages == ["videos", "archive"] + [f"page {number}" for number in range(7)], pages
say("listed in pages of 3", len(pages))

admin("POST", "faults", {"fault": "rate_limited", "times": 2})
assert client.get_user_info().uid == user.uid
say("told to come later twice", "the client tried again")
admin("POST", "revoke-tokens")
say("token pushed out", refused(PanTokenExpiredError, client.get_user_info))
assert client.get_user_info().uid == user.uid

deadline = time.time() + 10
while not (callbacks := [it for it in admin("GET", "callbacks") if it["delivery"]]):
    assert time.time() < deadline, "no callback"
    time.sleep(0.05)
say("callback", callbacks[0]["body"] | {"url": "…"})
assert callbacks[0]["body"]["fileID"] == file.file_id
assert callbacks[0]["delivery"] == {"answered": 204}
print("all as it should be")
