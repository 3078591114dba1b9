"""Draw images with rare classes more often, in epochs of the same length.

Beside the other files of a leaf; `--cfg-options class_balance=True` does the same.
"""

from mnv4_vision.seg import ClassBalancedSampler

class_balance = dict(type=ClassBalancedSampler)
