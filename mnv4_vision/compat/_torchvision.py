"""torchvision beside a torch for which its extension does not load (torchvision 0.28.0).

The wheel's `_C` links against CUDA libraries. Beside a CPU-only torch it does not load, and
`import torchvision` (so also `import timm`) fails: `operator torchvision::nms does not exist`.
"""

import importlib.machinery
import importlib.util
from types import ModuleType

import torch

from mnv4_vision.compat._after_import import after_import
from mnv4_vision.compat.nms import nms

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_status = "not checked"
_library: torch.library.Library | None = None  # the operators live as long as this object


def install() -> None:
    """Define `torchvision::nms` and `torchvision::qnms` if torchvision's extension cannot."""
    global _status
    if _status != "not checked":
        return
    package = importlib.util.find_spec("torchvision")
    if package is None:
        _status = "not installed"
    elif hasattr(torch.ops.torchvision, "nms") or _loads(package):
        _status = "compiled"
    else:
        _define()
        _status = "stand-in"


def status() -> str:
    """Return `"compiled"`, `"stand-in"` or `"not installed"`; `"not checked"` before `install`."""
    return _status


def _loads(package: importlib.machinery.ModuleSpec) -> bool:
    """Load the extension as torchvision would, without importing torchvision."""
    extension = importlib.machinery.PathFinder.find_spec("_C", package.submodule_search_locations)
    if extension is None or extension.origin is None:
        return False
    try:
        torch.ops.load_library(extension.origin)
    except OSError:
        return False
    return True


def _define() -> None:
    """Register the operators; torchvision adds their fake (meta) versions when it is imported."""
    global _library
    _library = torch.library.Library("torchvision", "DEF")
    _library.define(f"nms{_SCHEMA}")
    _library.define(f"qnms{_SCHEMA}")
    for device in ("CPU", "CUDA"):
        _library.impl("nms", nms, device)
    after_import("torchvision.ops.boxes", _open_nms)


def _open_nms(boxes: ModuleType) -> None:
    """Let `torchvision.ops.nms` pass, which asks for the whole extension before it runs."""
    boxes._assert_has_ops = _nms_is_defined


def _nms_is_defined() -> None:
    """Take the place of `_assert_has_ops`; a plain function, since TorchScript compiles it."""
