"""An auxiliary head on C4 with a loss of weight 0.4; it is not there in deployment.

Beside the other files of a leaf; `--cfg-options auxiliary=True` does the same.
"""

from mnv4_vision.seg import AuxiliaryHead

auxiliary = dict(type=AuxiliaryHead)
