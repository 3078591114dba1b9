"""Weigh the classes in the loss by median frequency: rare ones more.

Beside the other files of a leaf; `--cfg-options class_weights=True` does the same.
"""

from mnv4_vision.seg import ClassWeightsHook

class_weights = dict(type=ClassWeightsHook)
