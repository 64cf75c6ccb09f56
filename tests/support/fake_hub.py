"""A hub on this machine: answers as huggingface.co does, for the few requests that loading makes."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from huggingface_hub import constants

NAME = "somebody/small-llava"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repository:
    """A folder served as a repository with one commit, the branch main. gated: its files are refused."""

    folder: Path
    gated: bool = False
    commit: str = COMMIT


@dataclass
class Hub:
    """repositories: by "owner/name". status: answered to everything when not 0. requests: "METHOD path" of each."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    status: int = 0
    requests: list[str] = field(default_factory=list)
    address: str = ""

    def downloads(self) -> list[str]:
        """Names of the files whose bytes were asked for, in that order."""
        found = (re.fullmatch(r"GET /(?:cdn|[^/]+/[^/]+/resolve)/.*?([^/]+)", request) for request in self.requests)
        redirected = {".safetensors"}
        return [
            match[1] for match in found if match and ("/cdn/" in match[0] or Path(match[1]).suffix not in redirected)
        ]


class _Answer(BaseHTTPRequestHandler):
    hub: Hub

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        if self.hub.status:
            return self._send(self.hub.status, b"busy")
        if match := re.fullmatch(r"/cdn/([^/]+/[^/]+)/(.+)", path):
            return self._send(200, (self.hub.repositories[match[1]].folder / match[2]).read_bytes())
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path) or re.fullmatch(
            r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(.+)", path
        )
        repository = match and self.hub.repositories.get(match[1])
        if not repository:
            return self._refuse(401, "RepoNotFound", "Repository not found")
        if match[3] not in (None, "main", repository.commit):
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {match[3]}")
        if match[2] == "resolve":
            return self._file(match[1], repository, match[4])
        files = sorted(file for file in repository.folder.iterdir() if file.is_file())
        if match[2] == "tree":
            return self._json([self._described(file) for file in files])
        return self._json(
            {"id": match[1], "sha": repository.commit, "siblings": [{"rfilename": file.name} for file in files]}
        )

    def _file(self, name: str, repository: Repository, path: str):
        file = repository.folder / path
        if repository.gated:
            return self._refuse(401, "GatedRepo", f"Access to model {name} is restricted.")
        if not file.is_file():
            return self._refuse(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{_hash(file, hashlib.sha1)}"'}
        if file.suffix != ".safetensors":
            return self._send(200, file.read_bytes(), headers)
        headers |= {
            "X-Linked-Etag": f'"{_hash(file, hashlib.sha256)}"',
            "X-Linked-Size": str(file.stat().st_size),
            # Large files lie on another host; redirects within the hub's own are followed for the metadata too.
            "Location": f"{self.hub.address.replace('127.0.0.1', 'localhost')}/cdn/{name}/{path}",
        }
        return self._send(302, b"", headers)

    @staticmethod
    def _described(file: Path) -> dict:
        described = {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _hash(file, hashlib.sha1)}
        if file.suffix == ".safetensors":
            described["lfs"] = {"oid": _hash(file, hashlib.sha256), "size": file.stat().st_size, "pointerSize": 135}
        return described

    def _refuse(self, status: int, code: str, message: str):
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": message})

    def _json(self, value):
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def _hash(file: Path, kind) -> str:
    return kind(file.read_bytes()).hexdigest()


@contextmanager
def serving():
    """Yields a ``Hub`` that answers until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answer", (_Answer,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def use(hub_address: str, cache: Path, monkeypatch, offline: bool = False) -> None:
    """Points huggingface_hub, which reads its settings when imported, at a hub and an empty cache."""
    for name, value in {
        "ENDPOINT": hub_address,
        "HF_HUB_OFFLINE": offline,
        "HF_HUB_CACHE": str(cache),
        "HUGGINGFACE_CO_URL_TEMPLATE": hub_address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
