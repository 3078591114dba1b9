"""`coco.py` with mosaic (YOLOv4, section 3.4) and mix-up (YOLOX, section 2.1), closed at the end.

In place of `coco.py` and `demo.py` in a leaf. For trainings of many
epochs on many images: a sample reads six files. Four images are put together and scaled by 0.5 to
1.5, and half of another picture is laid over; the last tenth of the epochs is without both.
"""

from mmdet.datasets import MultiImageMixDataset
from mmdet.datasets.transforms import MixUp, Mosaic, Pad
from mmengine.config import read_base

from mnv4_vision.det import Albumentations, CloseMosaicHook, PackBoxes, ResizeCropFlip

with read_base():
    from .coco import *
    from .demo import *

del demo["train_dataloader.dataset.pipeline.2.ratio_range"]  # another pipeline
pad = dict(type=Pad, size=image_size, pad_val=dict(img=(114, 114, 114)))
# An empty crop would be drawn anew from the same four.
crop_flip = dict(type=ResizeCropFlip, scale=image_size, allow_negative_crop=True)
train_dataloader.dataset.update(pipeline=train_pipeline[:2])
train_dataloader.update(
    dataset=dict(
        type=MultiImageMixDataset,
        dataset=train_dataloader.pop("dataset"),
        pipeline=[
            dict(type=Mosaic, img_scale=image_size),
            # The mosaic is two images wide.
            dict(crop_flip, ratio_range=(1.0, 3.0)),
            dict(type=Albumentations, transforms=colour),
            pad,
            dict(type=MixUp, img_scale=image_size, ratio_range=(0.8, 1.6)),
            dict(type=PackBoxes),
        ],
    )
)
custom_hooks = [
    *custom_hooks,
    dict(
        type=CloseMosaicHook,
        share=0.1,
        pipeline=[
            dict(crop_flip, ratio_range=(0.5, 2.0)),
            dict(type=Albumentations, transforms=colour),
            pad,
            dict(type=PackBoxes),
        ],
    ),
]
