"""A small hub on loopback, enough for the real client: HEAD and GET, LFS redirect, ranges."""

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the hub serves and how it misbehaves.

    `files` maps `owner/repo/file` to bytes; `damaged` to the bytes sent in their place; `cuts` is
    how often a body ends in the middle; `status` answers everything.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    damaged: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    status: int | None = None
    is_hub: bool = True
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    endpoint: str = ""
    cdn: str = ""

    def bodies(self) -> list[str | None]:
        """Return the Range header of every request for the bytes of a file."""
        return [wanted for _, path, wanted in self.requests if path.startswith("/cdn/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def log_message(self, *args):
        pass

    def _answer(self):
        hub = self.hub
        hub.requests.append((self.command, self.path, self.headers.get("Range")))
        if hub.status:
            return self._send(hub.status)
        if self.path.startswith("/cdn/"):
            return self._send_body(self.path.removeprefix("/cdn/"))
        repo, _, filename = self.path.strip("/").partition("/resolve/main/")
        key = f"{repo}/{filename}"
        if key not in hub.files:
            known = any(name.startswith(repo + "/") for name in hub.files)
            return self._send(404, {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})
        if not hub.is_hub:
            return self._send(200)
        # As the real hub does for large files: the hash here, the bytes on another host.
        return self._send(
            302,
            {
                "X-Repo-Commit": COMMIT,
                "X-Linked-ETag": f'"{hashlib.sha256(hub.files[key]).hexdigest()}"',
                "X-Linked-Size": str(len(hub.files[key])),
                "Location": f"{hub.cdn}/cdn/{key}",
            },
        )

    def _send(self, status, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_body(self, key):
        data = self.hub.damaged.get(key, self.hub.files[key])
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        end = len(data)
        if self.hub.cuts:
            self.hub.cuts -= 1
            end = start + (end - start) // 2
            self.close_connection = True
        self.wfile.write(data[start:end])


@pytest.fixture
def hub():
    handler = type("Handler", (_Handler,), {"hub": Hub()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    handler.hub.cdn = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield handler.hub
    server.shutdown()
    server.server_close()
