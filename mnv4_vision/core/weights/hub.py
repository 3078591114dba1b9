"""Download from the Hugging Face hub, with one clear line for everything that can go wrong.

The hub client (huggingface_hub) does the work: cache, retries that resume with a Range request,
`HF_ENDPOINT`, `HF_HOME`, `HF_HUB_OFFLINE`. Over plain HTTP it compares sizes only, so the SHA-256
that the hub gives as the ETag of a large file is checked here.
"""

import errno
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import safetensors

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import file_digest

__all__ = ["WEIGHTS_FILENAME", "download"]

WEIGHTS_FILENAME = "model.safetensors"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HOST = re.compile(r"[\w.:-]+")
_BY_HAND = "copy the file by hand and pass its path, or train from scratch with pretrained=None"


def download(
    hub_id: str,
    filename: str = WEIGHTS_FILENAME,
    *,
    endpoint: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Return the path of a hub file in the client's cache, downloading it the first time.

    A cached file is used without asking the network: published weights do not change.

    Args:
        hub_id: `owner/repository`.
        filename: File in the repository.
        endpoint: Address of the hub; default `HF_ENDPOINT` or huggingface.co.
        cache_dir: Default: the client's (`HF_HUB_CACHE`, `HF_HOME`).
        local_files_only: Never touch the network.

    Raises:
        InputError: No network, offline and not cached, unknown repository, damaged file, full disk.
    """
    import huggingface_hub

    cached = huggingface_hub.try_to_load_from_cache(hub_id, filename, cache_dir=cache_dir)
    if isinstance(cached, str):
        path = Path(cached)
        _verify(path, _etag_in_cache(path))
        return path
    return _fetch(hub_id, filename, endpoint, cache_dir, local_files_only)


def _fetch(
    hub_id: str,
    filename: str,
    endpoint: str | None,
    cache_dir: str | Path | None,
    local_files_only: bool,
) -> Path:
    import huggingface_hub as hub
    from huggingface_hub import errors

    endpoint = endpoint or hub.constants.ENDPOINT
    what = f"{hub_id}/{filename}"
    if hub.constants.HF_HUB_OFFLINE:
        raise InputError(f"{what} is not in the cache and HF_HUB_OFFLINE is on: {_BY_HAND}")
    if local_files_only:
        raise InputError(f"{what} is not in the cache, the only place to look: {_BY_HAND}")
    _check_endpoint(endpoint)
    # HTTPError is the base class of the transport's errors, whichever transport the client uses.
    failures = (errors.HTTPError, OSError, getattr(errors, "XetDownloadError", OSError))
    try:
        # Asking first fails at once without a network, where the download retries for minutes.
        url = hub.hf_hub_url(hub_id, filename, endpoint=endpoint)
        etag = hub.get_hf_file_metadata(url, endpoint=endpoint).etag
        path = Path(hub.hf_hub_download(hub_id, filename, endpoint=endpoint, cache_dir=cache_dir))
    except failures as error:
        raise InputError(f"{what}: {_explain(error, endpoint)}") from error
    _verify(path, etag)
    return path


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme in ("http", "https") and parts.port != 0
        is_address = is_address and _HOST.fullmatch(parts.hostname or "")
    except ValueError:
        is_address = False
    if not is_address:
        raise InputError(
            f"HF_ENDPOINT {endpoint!r} is no address such as 'https://huggingface.co': correct it"
        )


def _explain(error: Exception, endpoint: str) -> str:
    """One line for what went wrong and its fix."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error.response.status_code, endpoint)
    if isinstance(error, errors.FileMetadataError):
        return f"{endpoint} does not answer like a Hugging Face hub: check HF_ENDPOINT"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full: free space, or set HF_HOME to a folder on another disk"
    if isinstance(error, PermissionError):
        return f"cannot write {error.filename}: set HF_HOME to a folder you may write to"
    if "Consistency check failed" in str(error):
        return f"the download from {endpoint} was cut short: run again"
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return f"no connection to {endpoint} ({reason}): run again, or {_BY_HAND}"


def _explain_status(status: int, endpoint: str) -> str:
    if status in (401, 403, 404):
        return f"{endpoint} has no such file ({status}): check the name and HF_ENDPOINT"
    return f"{endpoint} answered {status}: try again later, or {_BY_HAND}"


def _etag_in_cache(path: Path) -> str | None:
    """The ETag that the client's cache keeps as the name of the blob a snapshot links to."""
    # One level only: the blob may be a link again, into a store with names of another hash.
    return Path(os.readlink(path)).name if path.is_symlink() else None


def _verify(path: Path, etag: str | None) -> None:
    """Refuse a damaged file and take it out of the cache, so that the next run downloads again."""
    problem = _damage(path, etag)
    if problem is None:
        return
    try:
        for file in {path, path.resolve()}:
            file.unlink()
    except OSError as error:  # a cache that others own
        raise InputError(f"{path} is damaged ({problem}): delete it and run again") from error
    raise InputError(
        f"{path} is damaged ({problem}) and was removed from the cache: run again to download it; "
        "if it happens again, the server or a proxy changes the file"
    )


def _damage(path: Path, etag: str | None) -> str | None:
    if etag and _SHA256.fullmatch(etag):
        digest = file_digest(path)
        if digest != etag:
            return f"SHA-256 {digest[:12]}... instead of {etag[:12]}..."
    if path.suffix == ".safetensors":
        try:
            safetensors.safe_open(path, framework="pt").__exit__(None, None, None)
        except safetensors.SafetensorError as error:
            return str(error).splitlines()[0]
    return None
