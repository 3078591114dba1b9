"""Online hard example mining: the loss counts pixels with a probability below 0.7 alone.

Beside the other files of a leaf; `--cfg-options ohem=True` does the same.
"""

from mnv4_vision.seg import HardPixelSampler

ohem = dict(type=HardPixelSampler)
