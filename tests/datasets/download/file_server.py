"""Files over HTTP on loopback, with ranges, ETags and the faults of real servers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """What is served and how it misbehaves.

    `cuts` is how often a body ends in the middle; `statuses` answer the next requests; `changed`
    are the bytes after the first request (with another ETag).
    """

    files: dict[str, bytes] = field(default_factory=dict)
    changed: dict[str, bytes] = field(default_factory=dict)
    cuts: int = 0
    statuses: list[int] = field(default_factory=list)
    has_ranges: bool = True
    has_etags: bool = True
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    url: str = ""

    def ranges(self) -> list[str | None]:
        """The Range header of every request so far."""
        return [wanted for _, wanted, _ in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: FileServer

    def log_message(self, *args):
        pass

    def do_GET(self):
        state, name = self.server_state, self.path.strip("/")
        wanted, if_range = self.headers.get("Range"), self.headers.get("If-Range")
        if state.requests and name in state.changed:
            state.files[name] = state.changed.pop(name)
        state.requests.append((name, wanted, if_range))
        if state.statuses:
            return self._send(state.statuses.pop(0))
        if name not in state.files:
            return self._send(404)
        data = state.files[name]
        etag = f'"{hash(data)}"'
        start = 0
        if wanted and state.has_ranges and if_range in (None, etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        if start >= len(data) > 0:
            return self._send(416, {"Content-Range": f"bytes */{len(data)}"})
        headers = {"ETag": etag} if state.has_etags else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return self._send(206 if start else 200, headers, data[start:])

    def _send(self, status, headers=None, body=b""):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body and self.server_state.cuts:
            self.server_state.cuts -= 1
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)


@contextmanager
def serve_files() -> Iterator[FileServer]:
    handler = type("Handler", (_Handler,), {"server_state": FileServer()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.server_state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield handler.server_state
    finally:
        server.shutdown()
        server.server_close()
