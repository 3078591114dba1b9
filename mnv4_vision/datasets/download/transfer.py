"""One file over HTTP: resumed where it broke off, checked, and in place whole or not at all."""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import file_digest
from mnv4_vision.datasets.download.byte_progress import byte_progress

__all__ = ["check_digest", "fetch", "received_bytes"]

_TRIES = 5  # in a row without a single new byte
_TIMEOUT_S = 30
_CHUNK = 1 << 18
_RETRY_STATUS = {408, 425, 429, 500, 502, 503, 504}
_NO_ANSWER = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


def fetch(url: str, path: Path, checksum: str) -> None:
    """Download `url` to `path`.

    What arrived of an interrupted download stays as `<name>.part`, with the server's ETag beside
    it; the next call asks for the rest, and starts over where the server has another file by now
    or knows no ranges.

    Args:
        url: Address over HTTP or HTTPS; proxies come from the environment, as curl's do.
        path: File to write.
        checksum: `algorithm:hexadecimal`, as `check_digest` takes it.

    Raises:
        InputError: No network, no such file, another checksum, no space; one line with the way
            to fetch it by hand.
    """
    part = _part(path)
    tag = path.with_name(path.name + ".etag")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive_all(url, part, tag, f"download {url} by hand to {path}, then run again")
        try:
            check_digest(part, checksum)
        except InputError as error:
            part.unlink()
            message = str(error).replace(str(part), f"{path} from {url}")
            raise InputError(f"{message}; it was not kept: run again") from None
        part.replace(path)
        tag.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {part}: {error.strerror}; run again to go on") from error


def received_bytes(path: Path) -> int:
    """Return how much an interrupted `fetch` has of `path`."""
    return _size(_part(path))


def check_digest(path: Path, checksum: str) -> None:
    """Raise an `InputError` unless the file has the checksum, `algorithm:hexadecimal`."""
    algorithm, _, expected = checksum.partition(":")
    with byte_progress(f"check {path.name}", path.stat().st_size) as advance:
        found = file_digest(path, algorithm, advance)
    if found != expected:
        raise InputError(
            f"{path}: its {algorithm.upper()} is {found}, expected is {expected}: it is damaged, "
            "or a server or proxy changed it"
        )


def _receive_all(url: str, part: Path, tag: Path, by_hand: str) -> None:
    """Receive into `part` until it is whole, through interruptions."""
    host = urlsplit(url).netloc
    tries, connected = 0, False
    while True:
        before = _size(part)
        try:
            if _receive(url, part, tag):
                return
            connected, reason = True, "the connection was cut"
        except urllib.error.HTTPError as error:
            if error.code not in _RETRY_STATUS:
                raise InputError(
                    f"{host} answered {error.code} {error.reason}: {by_hand}"
                ) from error
            connected, reason = True, f"it answered {error.code}"
        except _NO_ANSWER as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        tries = 0 if _size(part) > before else tries + 1
        if tries >= _TRIES or not connected:
            raise InputError(f"no connection to {host} ({reason}): {by_hand}")
        print(f"{part.stem}: {host}: {reason}, trying again", flush=True)
        time.sleep(2**tries)


def _receive(url: str, part: Path, tag: Path) -> bool:
    """Receive once; return whether `part` is whole then."""
    start = _size(part)
    try:
        response = _open(url, start, tag)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":  # killed just before the end
            return True
        part.unlink()  # no beginning of the server's file
        response = _open(url, 0, tag)
    with response:
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if response.status == 206 and found is not None and int(found[1]) == start:
            total = int(found[2])
        else:
            total, start = int(response.headers.get("Content-Length") or 0), 0
            part.write_bytes(b"")  # before the ETag changes: old bytes never stand by a new one
        _remember(response.headers.get("ETag"), tag)
        with byte_progress(part.stem, total, start) as advance:
            _append(response, part, advance)
    return _size(part) == total or not total


def _open(url: str, start: int, tag: Path) -> http.client.HTTPResponse:
    headers = {"User-Agent": "mnv4_vision", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag.is_file():
            headers["If-Range"] = tag.read_text()
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)


def _append(
    response: http.client.HTTPResponse, part: Path, advance: Callable[[int], object]
) -> None:
    with part.open("ab") as file:
        while True:
            try:
                chunk = response.read1(_CHUNK)
            except (OSError, http.client.HTTPException):  # cut off; what came is kept
                return
            if not chunk:
                return
            file.write(chunk)
            advance(len(chunk))


def _remember(etag: str | None, tag: Path) -> None:
    """Keep a strong ETag; a weak one does not promise equal bytes."""
    if etag and not etag.startswith("W/"):
        tag.write_text(etag)
    else:
        tag.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
