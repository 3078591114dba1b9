"""Failures for lack of memory end in one line with numbers; other failures stay themselves."""

import errno

import pytest
import torch
from mmengine.config import Config

from mnv4_vision.core.engine.memory import memory_advice
from mnv4_vision.core.errors import InputError, MissingFileError

CPU = (
    "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)"
)


def config(batch_size=8, num_workers=4, accumulated=1):
    return Config(
        dict(
            image_size=(320, 320),
            train_dataloader=dict(batch_size=batch_size, num_workers=num_workers),
            optim_wrapper=dict(type="OptimWrapper", accumulative_counts=accumulated),
        )
    )


def advice(error, **kwargs):
    with pytest.raises(InputError) as raised, memory_advice(config(**kwargs)):
        raise error
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("error", [RuntimeError(CPU), MemoryError()])
def test_too_large_a_batch_on_a_cpu(error):
    line = advice(error, accumulated=3)
    assert "GiB in all" in line
    assert "batches of 8 images of 320 x 320 px" in line
    assert "--batch-size 4 --accumulate 6 (the same effective batch), or --image-size 224" in line


def test_the_batch_that_cannot_be_halved():
    assert "pass --image-size 224" in advice(MemoryError(), batch_size=1)
    line = advice(MemoryError(), batch_size=3)
    assert "--batch-size 1 --accumulate 3 (the same effective batch)" in line


def test_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (2**30, 8 * 2**30))
    monkeypatch.setattr("torch.cuda.max_memory_reserved", lambda: 6 * 2**30)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Card")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    line = advice(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert "Card: 8.0 GiB in all, 6.0 GiB taken by this process, 1.0 GiB free" in line
    assert "--amp" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DataLoader worker (pid 77) is killed by signal: Killed. ", "num_workers=2"),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "num_workers=2"),
        (
            "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
            "dataloader's workers are out of shared memory.",
            "--shm-size",
        ),
    ],
)
def test_workers(text, words):
    assert words in advice(RuntimeError(text))


def test_full_disk():
    line = advice(OSError(errno.ENOSPC, "No space left on device", "work/metrics.jsonl"))
    assert line.startswith("No space left on device: work/metrics.jsonl; free some space")


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), MissingFileError("no such file"), OSError(2, "gone")]
)
def test_other_failures_pass(error):
    with pytest.raises(type(error)) as raised, memory_advice(config()):
        raise error
    assert raised.value is error
