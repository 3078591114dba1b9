"""Stand-in for mmcv's compiled operators, loaded under the name `mmcv._ext`.

Signatures are those of mmcv's `pybind.cpp`. Operators without an implementation here exist, as
`mmcv.ops` checks for them on import, and raise when they are called.
"""

from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from mnv4_vision.compat import _torchvision
from mnv4_vision.compat import nms as _nms
from mnv4_vision.compat import roi_align as _roi_align
from mnv4_vision.compat.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from mnv4_vision.compat.soft_nms import soft_nms as softnms

__all__ = [
    "get_compiler_version",
    "get_compiling_cuda_version",
    "nms",
    "roi_align_backward",
    "roi_align_forward",
    "sigmoid_focal_loss_backward",
    "sigmoid_focal_loss_forward",
    "softmax_focal_loss_backward",
    "softmax_focal_loss_forward",
    "softnms",
]

_AVERAGE = 1  # mmcv's pool_mode; 0 is max


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """See `mnv4_vision.compat.nms`. The kernels of mmcv hold the threshold in single precision."""
    if boxes.is_cuda and offset == 0 and _torchvision.status() == "compiled":
        return torch.ops.torchvision.nms(boxes, scores, iou_threshold)
    return _nms.nms(boxes, scores, float(np.float32(iou_threshold)), offset)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Write the pooled regions into `output`; see `mnv4_vision.compat.roi_align`."""
    if pool_mode != _AVERAGE:
        _raise_unavailable("roi_align_forward (pool_mode='max')")
    size = (aligned_height, aligned_width)
    if _torchvision.status() == "compiled":
        pooled = torch.ops.torchvision.roi_align(
            input, rois, spatial_scale, *size, sampling_ratio, aligned
        )
    else:
        pooled = _roi_align.roi_align(input, rois, size, spatial_scale, sampling_ratio, aligned)
    output.copy_(pooled)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient by the feature map to `grad_input`."""
    if pool_mode != _AVERAGE:
        _raise_unavailable("roi_align_backward (pool_mode='max')")
    size = (aligned_height, aligned_width)
    if _torchvision.status() == "compiled":
        grad_input += torch.ops.torchvision._roi_align_backward(
            grad_output, rois, spatial_scale, *size, *grad_input.shape, sampling_ratio, aligned
        )
    else:
        _roi_align.roi_align_backward(
            grad_output, rois, grad_input, spatial_scale, sampling_ratio, aligned
        )


def get_compiler_version() -> str:
    """Return what mmengine prints as mmcv's compiler in its report of the environment."""
    return "none, operators by mnv4_vision.compat"


def get_compiling_cuda_version() -> str:
    """Return what mmengine prints as mmcv's CUDA compiler."""
    return "none"


def _raise_unavailable(operator: str) -> NoReturn:
    raise NotImplementedError(
        f"mmcv's operator {operator} exists only compiled, and the installed onedl-mmcv has no "
        "compiled operators. With a C++ compiler, and torch installed, build them by: pip install "
        "--force-reinstall --no-deps --no-cache-dir --no-build-isolation onedl-mmcv"
    )


def __getattr__(name: str):
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def operator(*args, **kwargs):
        _raise_unavailable(name)

    operator.__name__ = operator.__qualname__ = name
    return operator
