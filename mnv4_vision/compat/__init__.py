"""Makes OpenMMLab and torchvision importable from plain wheels; what already works stays untouched.

`onedl-mmcv` is published without its compiled operators, and torchvision's operators do not load
next to a CPU-only torch. `install` supplies the missing pieces, `status` says which they are.
"""

from mnv4_vision.compat import _mmcv, _mmengine, _torchvision

__all__ = ["install", "status"]


def install() -> None:
    """Supply what the installed torchvision, mmcv and mmengine lack. Imports none of them."""
    _torchvision.install()
    _mmcv.install()
    _mmengine.install()


def status() -> dict[str, str]:
    """Say where the operators come from.

    Returns:
        `torchvision` and `mmcv._ext`, each `"compiled"`, `"stand-in"` or `"not installed"`.
    """
    return {"torchvision": _torchvision.status(), "mmcv._ext": _mmcv.status()}
