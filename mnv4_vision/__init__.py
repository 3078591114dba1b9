"""MobileNetV4 for classification, detection and segmentation in OpenMMLab.

Importing the package repairs what plain wheels lack (`compat`) and registers the backbones,
so that `mmdet` and `mmseg` configs find `type='MobileNetV4'`.
"""

from mnv4_vision import compat

__version__ = "0.1.0"

compat.install()

from mnv4_vision import core  # noqa: E402  (needs compat first)

__all__ = ["__version__", "compat", "core"]
