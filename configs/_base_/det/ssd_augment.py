"""`coco_320.py` with SSD's augmentation (SSD paper, sections 2.2 and 3.6).

In place of `coco_320.py` in a leaf. Colour, zoom-out up to 4 times, a crop in which
every box has at least a drawn IoU with the crop, flip. The crop's aspect ratio is kept, against the
paper and as in test, where images are not stretched either.
"""

from mmdet.datasets.transforms import (
    Expand,
    LoadAnnotations,
    MinIoURandomCrop,
    Pad,
    RandomFlip,
    Resize,
)
from mmengine.config import read_base

from mnv4_vision.datasets import LoadImage
from mnv4_vision.det import Albumentations, PackBoxes

with read_base():
    from .coco_320 import *
    from .demo import *

del demo["train_dataloader.dataset.pipeline.2.ratio_range"]  # another pipeline
ssd_colour = [
    dict(type="RandomBrightnessContrast", brightness_limit=0.125, contrast_limit=0.5, p=0.5),
    dict(type="HueSaturationValue", hue_shift_limit=18, sat_shift_limit=50, p=0.5),
]
train_dataloader.dataset.pipeline = [
    dict(type=LoadImage),
    dict(type=LoadAnnotations, with_bbox=True),
    dict(type=Albumentations, transforms=ssd_colour),
    dict(type=Expand, mean=(114, 114, 114), ratio_range=(1, 4), prob=0.5),
    dict(type=MinIoURandomCrop, min_ious=(0.1, 0.3, 0.5, 0.7, 0.9), min_crop_size=0.3),
    dict(type=Resize, scale=image_size, keep_ratio=True),
    dict(type=RandomFlip, prob=0.5),
    dict(type=Pad, size=image_size, pad_val=dict(img=(114, 114, 114))),
    dict(type=PackBoxes),
]
