"""A training batch on disk, for a person to look at: pictures and what the samples say."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.runner import Runner
from torch import Tensor

from mnv4_vision.core.files import write_atomic
from mnv4_vision.core.parallel import unwrapped

__all__ = ["dump_batch", "names_of", "split_batch"]

BOX_COLOUR = (0, 0, 255)  # BGR


def split_batch(data_batch: Any) -> list[Any]:
    """Return a collated batch as batches of one sample each, whatever it is made of."""
    size = _size(data_batch)
    return [_pick(data_batch, index, size) for index in range(size)]


def names_of(data_batch: Any) -> list[str]:
    """Return the file of each image, or `sample N` where the batch does not say."""
    samples = _samples(data_batch)
    return [
        Path(path).name if path else f"sample {index}"
        for index, path in enumerate(getattr(sample, "img_path", None) for sample in samples)
    ]


def dump_batch(
    out: Path, runner: Runner, data_batch: Any, losses: Sequence[float | None] = ()
) -> None:
    """Write `batch.json` and, for images, a picture of each with its boxes.

    Args:
        out: Folder to fill.
        runner: Its data preprocessor says in which order the channels are.
        data_batch: What the loader gave: tensors `(3, H, W)` under `inputs`, augmented but not
            normalised, and `data_samples`; of other batches only the numbers are written.
        losses: Of each image alone, where known.
    """
    samples, names = _samples(data_batch), names_of(data_batch)
    inputs = data_batch.get("inputs") if isinstance(data_batch, dict) else None
    records = []
    for index, (sample, name) in enumerate(zip(samples, names, strict=True)):
        record = {"name": name, "loss_alone": _plain(losses[index] if losses else None)}
        record |= {"img_path": getattr(sample, "img_path", None), **_annotations(sample)}
        if inputs is not None:
            record |= _numbers(inputs[index])
            stem = re.sub(r"[^\w.-]+", "_", Path(name).stem)
            _draw(out / f"{index}_{stem}.png", inputs[index], sample, _is_bgr(runner))
        records.append(record)
    place = {"epoch": runner.epoch + 1, "iter": runner.iter + 1}
    text = json.dumps({**place, "images": records}, indent=1)
    write_atomic(out / "batch.json", text.encode())


def _size(data_batch: Any) -> int:
    parts = data_batch.values() if isinstance(data_batch, dict) else data_batch
    return len(next(iter(parts)))


def _pick(node: Any, index: int, size: int) -> Any:
    if isinstance(node, Tensor) and len(node) == size:
        return node[index : index + 1]
    if isinstance(node, dict):
        return {key: _pick(value, index, size) for key, value in node.items()}
    if isinstance(node, list | tuple):
        of_samples = len(node) == size and not any(
            isinstance(v, Tensor) and v.ndim and len(v) == size for v in node
        )
        return [node[index]] if of_samples else [_pick(v, index, size) for v in node]
    return node


def _samples(data_batch: Any) -> list[Any]:
    samples = data_batch.get("data_samples") if isinstance(data_batch, dict) else None
    return list(samples) if samples is not None else [None] * _size(data_batch)


def _annotations(sample: Any) -> dict[str, Any]:
    """The boxes and labels of a sample: detection's, or a single label."""
    instances = getattr(sample, "gt_instances", None)
    found = {"boxes": _boxes(sample), "labels": getattr(instances, "labels", None)}
    found["label"] = getattr(sample, "gt_label", None)
    return {key: _plain(value) for key, value in found.items() if value is not None}


def _boxes(sample: Any) -> Tensor | None:
    boxes = getattr(getattr(sample, "gt_instances", None), "bboxes", None)
    return getattr(boxes, "tensor", boxes)


def _numbers(image: Tensor) -> dict[str, Any]:
    values = image.float()
    return {
        "shape": list(image.shape),
        "min": _plain(values.min()),
        "max": _plain(values.max()),
        "not_finite": int((~values.isfinite()).sum()),
    }


def _plain(value: Any) -> Any:
    """The value as JSON has it; numbers that JSON lacks as text."""
    if isinstance(value, Tensor | np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_bgr(runner: Runner) -> bool:
    """Whether the inputs are BGR, which the preprocessor then turns into the network's RGB."""
    preprocessor = unwrapped(runner.model).data_preprocessor
    return bool(getattr(preprocessor, "_channel_conversion", False))


def _draw(file: Path, image: Tensor, sample: Any, is_bgr: bool) -> None:
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        return
    pixels = torch.nan_to_num(image.detach().cpu().float())
    if image.is_floating_point():  # stretch: no convention says what range these have
        low, high = pixels.min(), pixels.max()
        pixels = (pixels - low) / (high - low).clamp(min=1e-6) * 255
    canvas = pixels.clamp(0, 255).byte().permute(1, 2, 0).numpy()
    canvas = np.ascontiguousarray(canvas if is_bgr else canvas[..., ::-1])
    boxes = _boxes(sample)
    for box in torch.nan_to_num(boxes.float()).tolist() if boxes is not None else ():
        x1, y1, x2, y2 = (int(max(-1e6, min(1e6, side))) for side in box)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), BOX_COLOUR, 1)
    write_atomic(file, cv2.imencode(".png", canvas)[1].tobytes())
