"""The hub, as a small real server on the loopback; the client is a process of its own.

A process of its own because huggingface_hub reads its settings when it is first imported.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = os.urandom(25_000_000)  # the client writes ten million at a time
FETCH = """
import sys
from indexer.embedders import hub
from indexer.errors import ModelUnavailableError
request = hub.Request("some/model", (("config.json",), ("a.safetensors", "b.bin")), ("README.md",))
try:
    found = hub.fetch(request, print, "use `starter`")
except ModelUnavailableError as error:
    sys.exit(f"unavailable: {error}")
print("here:", found.first(("a.safetensors",)).stat().st_size, found.revision, found.licence())
"""


class Hub(ThreadingHTTPServer):
    """What the hub answers for one repository, and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.files = {
            "config.json": b"{}",
            "a.safetensors": WEIGHTS,
            "b.bin": b"never asked for",
            "README.md": b"---\nlicense: mit\n---\n",
        }
        self.asked: list[tuple[str, str | None]] = []
        self.agents: set[str | None] = set()
        self.break_after: int | None = None
        self.damage = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((f"{self.command} {path}", self.headers.get("Range")))
        self.server.agents.add(self.headers.get("User-Agent"))
        name = path.rpartition("/")[2]
        if "/some/model" not in path:
            self.answer(404, b"", **{"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path:
            self.answer(200, json.dumps([self.entry(name) for name in self.server.files]).encode())
        elif path.startswith("/api/"):
            self.answer(200, json.dumps(self.described()).encode())
        elif name in self.server.files:
            self.send_file(self.server.files[name])
        else:
            self.answer(404, b"")

    def described(self) -> dict[str, object]:
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": COMMIT, **self.lfs(name)}
            for name, data in self.server.files.items()
        ]
        return {"id": "some/model", "modelId": "some/model", "sha": COMMIT, "siblings": siblings}

    def entry(self, name: str) -> dict[str, object]:
        size = len(self.server.files[name])
        return {"type": "file", "path": name, "oid": COMMIT, "size": size}

    def lfs(self, name: str) -> dict[str, object]:
        if not name.endswith((".safetensors", ".bin")):
            return {}
        data = self.server.files[name]
        sha256 = hashlib.sha256(data).hexdigest()
        return {"lfs": {"sha256": sha256, "size": len(data), "pointerSize": 134}}

    def send_file(self, data: bytes) -> None:
        etag = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT}
        start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        if start:
            etag["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if self.server.damage:
            data = bytes(len(data))
        self.answer(206 if start else 200, data[start:], **etag)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.break_after is not None and len(body) > 1_000_000:
            self.wfile.write(body[: self.server.break_after])
            self.wfile.flush()
            threading.Event().wait(30)  # hangs, so that the client can be killed
        self.wfile.write(body)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def environment(cache: Path, url: str) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return own | {"HF_HOME": str(cache), "HF_ENDPOINT": url, "NO_PROXY": "127.0.0.1"}


def run(
    program: str, cache: Path, url: str, **more: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(cache, url) | more,
        capture_output=True,
        text=True,
    )
    return done, time.monotonic() - start


def test_a_model_is_downloaded_once_and_then_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    first, _ = run(FETCH, tmp_path, hub.url)
    assert f"here: {len(WEIGHTS)} {COMMIT} mit" in first.stdout
    assert f"downloading 25 MB of some/model to {tmp_path}" in first.stdout
    hub.asked.clear()
    second, _ = run(FETCH, tmp_path, hub.url)
    assert second.stdout == f"here: {len(WEIGHTS)} {COMMIT} mit\n"
    assert hub.asked == []


def test_only_what_is_needed_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    run(FETCH, tmp_path, hub.url)
    assert not [path for path, _ in hub.asked if "b.bin" in path]
    weights = [path for path, _ in hub.asked if path.startswith("GET") and "a.safe" in path]
    assert weights == [f"GET /some/model/resolve/{COMMIT}/a.safetensors"]


def test_the_second_choice_is_taken_where_there_is_no_first(hub: Hub, tmp_path: Path) -> None:
    hub.files["b.bin"] = hub.files.pop("a.safetensors")
    program = FETCH.replace('first(("a.safetensors",))', 'first(("a.safetensors", "b.bin"))')
    done, _ = run(program, tmp_path, hub.url)
    assert f"here: {len(WEIGHTS)}" in done.stdout


def test_nothing_is_told_about_the_machine(hub: Hub, tmp_path: Path) -> None:
    run(FETCH, tmp_path, hub.url)
    told = " ".join(agent or "" for agent in hub.agents)
    assert "torch" not in told
    assert "telemetry" not in " ".join(path for path, _ in hub.asked)


def test_a_killed_download_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    hub.break_after = 22_000_000
    client = subprocess.Popen(
        [sys.executable, "-c", FETCH],
        env=environment(tmp_path, hub.url),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 20
    while sum(path.stat().st_size for path in tmp_path.rglob("*.partial")) < 20_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.kill()
    client.wait()
    hub.break_after = None
    hub.asked.clear()
    done, _ = run(FETCH, tmp_path, hub.url)
    assert f"here: {len(WEIGHTS)}" in done.stdout
    ranges = [asked for path, asked in hub.asked if path.startswith("GET") and "a.safe" in path]
    assert len(ranges) == 1
    assert int((ranges[0] or "bytes=0-")[6:-1]) >= 20_000_000


def test_a_file_that_arrives_damaged_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.damage = True
    done, _ = run(FETCH, tmp_path, hub.url)
    assert "arrived damaged" in done.stderr
    hub.damage = False
    again, _ = run(FETCH, tmp_path, hub.url)
    assert f"here: {len(WEIGHTS)}" in again.stdout


def test_a_hub_that_never_answers_costs_five_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done, seconds = run(FETCH, tmp_path, url)
    assert "no answer within 5 s" in done.stderr
    assert seconds < 7  # the process starts in one


def test_a_hub_that_is_not_there_is_said_at_once_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    done, seconds = run(FETCH, tmp_path, url)
    assert done.stderr.startswith("unavailable: some/model is not on this machine")
    assert done.stderr.endswith("use `starter`\n")
    assert done.stderr.count("\n") == 1
    assert seconds < 4


def test_a_machine_set_to_offline_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    done, _ = run(FETCH, tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in done.stderr
    assert hub.asked == []


def test_a_repository_that_is_not_there_is_said_not_to_be(hub: Hub, tmp_path: Path) -> None:
    done, _ = run(FETCH.replace("some/model", "no/such"), tmp_path, hub.url)
    assert "shows no repository no/such" in done.stderr


def test_a_repository_of_another_kind_is_said_to_be_one(hub: Hub, tmp_path: Path) -> None:
    del hub.files["config.json"]
    done, _ = run(FETCH, tmp_path, hub.url)
    assert "it has no config.json" in done.stderr


LOAD = """
import json, sys
import open_clip, torch
from open_clip.pretrained import _PRETRAINED, _pcfg
from pathlib import Path
from indexer.embedders import load_model

open_clip.add_model_config(Path(sys.argv[1]))
_PRETRAINED["small"] = {"mine": _pcfg(hf_hub="some/model/", quick_gelu=True)}
for name in ("open_clip:small/mine", "open_clip:hf-hub:some/model"):
    model = load_model(name, lambda line: None)
    with torch.no_grad():
        row = model.image_tower(torch.ones(1, 3, 32, 32))[0, :3]
    print(json.dumps([model.name, model.licence, model.details["from"], row.tolist()]))
"""


def test_a_tag_and_a_repository_load_as_they_were_trained(hub: Hub, tmp_path: Path) -> None:
    import open_clip
    import torch
    from safetensors.torch import save

    vision = {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16}
    text = {"context_length": 8, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "small.json").write_text(json.dumps(config))
    trained = open_clip.CLIP(**config, quick_gelu=True).eval()
    with torch.no_grad():
        expected = trained.encode_image(torch.ones(1, 3, 32, 32))[0, :3].tolist()
    hub.files["open_clip_model.safetensors"] = save(trained.state_dict())
    hub.files["open_clip_config.json"] = json.dumps(
        {"model_cfg": config | {"quick_gelu": True}}
    ).encode()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, str(tmp_path / "small.json")],
        env=environment(tmp_path / "cache", hub.url),
        capture_output=True,
        text=True,
    )
    by_tag, by_repository = (json.loads(line) for line in done.stdout.splitlines())
    assert by_tag[:3] == ["open_clip:small/mine", "mit", f"some/model@{COMMIT}"]
    assert by_repository[0] == "open_clip:hf-hub:some/model"
    assert by_tag[3] == pytest.approx(expected, rel=1e-3)
    assert by_repository[3] == pytest.approx(expected, rel=1e-3)
