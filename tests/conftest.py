"""Importing the package first repairs mmcv and torchvision for whatever a test imports."""

import pytest

import mnv4_vision  # noqa: F401


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Keep converted and verified data out of the user's cache, in subprocesses too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNV4_VISION_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def same_threads():
    """Undo what a benchmark sets: sums of other thread counts are not bit-equal."""
    import torch

    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
