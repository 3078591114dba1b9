import errno
import socket

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights.hub import download

REPO = "timm/mobilenetv4_conv_small.e2400_r224_in1k"
KEY = f"{REPO}/model.safetensors"


@pytest.fixture
def weights():
    return {"conv_stem.weight": torch.arange(600_000, dtype=torch.float32)}


@pytest.fixture
def get(hub, weights, tmp_path):
    hub.files[KEY] = save(weights)

    def get(repo=REPO, **options):
        return download(repo, **{"endpoint": hub.endpoint, "cache_dir": tmp_path} | options)

    return get


def failure(get, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        get(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def cached_files(folder):
    """Everything in the client's cache that a later load could pick up."""
    return [path for path in folder.rglob("*") if path.name.endswith(("tensors", "complete"))]


def test_downloads_once(hub, get, weights):
    path = get()
    assert torch.equal(load_file(path)["conv_stem.weight"], weights["conv_stem.weight"])
    assert hub.bodies() == [None]

    hub.requests.clear()
    assert get() == path
    assert hub.requests == []


def test_interrupted_download_resumes_where_it_stopped(hub, get, weights, monkeypatch):
    # The client keeps whole chunks of what arrived, 10 MB each; this file is smaller.
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    hub.cuts = 2
    path = get()
    assert torch.equal(load_file(path)["conv_stem.weight"], weights["conv_stem.weight"])
    first, *resumed = hub.bodies()
    assert first is None
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for wanted in resumed]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1] < len(hub.files[KEY])


@pytest.mark.parametrize("kind", ["same size", "shorter", "longer"])
def test_damaged_download_is_refused_and_not_kept(hub, get, tmp_path, kind):
    good = hub.files[KEY]
    flipped = good[:5000] + bytes([good[5000] ^ 1]) + good[5001:]
    hub.damaged[KEY] = {"same size": flipped, "shorter": good[:-9], "longer": good + b"x"}[kind]
    message = failure(get)
    assert "model.safetensors" in message
    assert ("damaged" if kind == "same size" else "cut short") in message
    assert cached_files(tmp_path) == []

    del hub.damaged[KEY]
    get()


def test_file_that_went_bad_in_the_cache_is_refused_then_fetched_again(hub, get):
    path = get()
    blob = path.resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"\xff")
    message = failure(get)
    assert str(path) in message
    assert "SHA-256" in message
    assert not path.exists()
    assert not blob.exists()
    assert get().read_bytes() == hub.files[KEY]


def test_hub_file_that_is_no_safetensors_is_refused(hub, get):
    hub.files[KEY] = b"<html>please log in</html>" * 100
    assert "damaged" in failure(get)


def test_offline_uses_the_cache_and_says_when_it_cannot(hub, get):
    message = failure(get, local_files_only=True)
    assert "not in the cache, the only place to look" in message
    assert "HF_HUB_OFFLINE" not in message
    assert hub.requests == []
    assert get() == get(local_files_only=True)


def test_client_in_offline_mode_asks_nobody(hub, get, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    message = failure(get)
    assert "HF_HUB_OFFLINE" in message
    assert "pretrained=None" in message
    assert hub.requests == []


def test_no_network_fails_at_once(get):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{free.getsockname()[1]}"
    message = failure(get, endpoint=closed)
    assert closed in message
    assert "pass its path" in message


def test_network_that_dies_in_the_middle(hub, get, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between attempts
    hub.cuts = 10_000
    hub.files[KEY] = hub.files[KEY][:64]
    assert "no connection" in failure(get)
    assert cached_files(tmp_path) == []


@pytest.mark.parametrize(
    ("repo", "filename"), [("timm/no_such_model", "model.safetensors"), (REPO, "other.safetensors")]
)
def test_unknown_repository_or_file(get, repo, filename):
    message = failure(get, repo, filename=filename)
    assert f"{repo}/{filename}" in message
    assert "404" in message


def test_hub_that_is_down(hub, get):
    hub.status = 503
    assert "503" in failure(get)


def test_server_that_is_no_hub(hub, get):
    hub.is_hub = False
    assert "HF_ENDPOINT" in failure(get)


def test_full_disk(get, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    assert "disk is full" in failure(get)


def test_cache_that_cannot_be_written(get, monkeypatch):
    def denied(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", "/hub")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", denied)
    assert "cannot write /hub" in failure(get)


@pytest.mark.parametrize(
    "endpoint", ["http://host:abc", "http://host:99999", "http://", "ftp://host", "http://ho st"]
)
def test_endpoint_that_is_no_address(get, endpoint):
    message = failure(get, endpoint=endpoint)
    assert f"HF_ENDPOINT {endpoint!r} is no address" in message
