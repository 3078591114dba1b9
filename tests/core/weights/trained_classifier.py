"""Classifiers as `tools/train.py` leaves them, one from a training of a second with EMA."""

import uuid

import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage, ImgDataPreprocessor
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import EpochBasedTrainLoop, ValLoop
from torch.utils.data import Dataset

from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Head, TimmBackbone
from mnv4_vision.core.classification import Classifier, ClassSample, TimmHead
from mnv4_vision.core.engine import AtomicCheckpointHook, HistoryHook, Runner

ARCH, TIMM, CLASSES = "conv_s_035", "mobilenetv3_small_100", ("cat", "dog", "owl")
MEAN, STD = [51.0, 102.0, 153.0], [25.5, 51.0, 51.0]


class Photos(Dataset):
    """Noise with a class, like a task's data set."""

    metainfo = {"classes": CLASSES}

    def __len__(self):
        return 8

    def __getitem__(self, index):
        image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
        return {"inputs": image, "data_samples": ClassSample(gt_label=index % 3)}


class MeanScore(BaseMetric):
    default_prefix = "cls"

    def process(self, data_batch, data_samples):
        self.results.extend(float(sample["pred_score"].max()) for sample in data_samples)

    def compute_metrics(self, results):
        return {"sure": sum(results) / len(results)}


class RowsHook(HistoryHook):
    """Without the picture, which takes longer than the training."""

    def _draw(self, rows):
        pass


def model_config(timm=False):
    if timm:
        backbone = dict(type=TimmBackbone, model_name=TIMM, out_indices=(4,))
        head = dict(type=TimmHead, model_name=TIMM, num_classes=3)
    else:
        backbone = dict(type=MobileNetV4, arch=ARCH, out_indices=(4,), pretrained=None)
        head = dict(type=MobileNetV4Head, arch=ARCH, in_channels=48, num_classes=3)
    preprocessor = dict(type=ImgDataPreprocessor, mean=MEAN, std=STD, bgr_to_rgb=True)
    return dict(type=Classifier, data_preprocessor=preprocessor, backbone=backbone, head=head)


def save_classifier(path, timm=False):
    """Save a classifier with random weights as a training does; return it."""
    torch.manual_seed(1)
    model = MODELS.build(model_config(timm))
    for value in model.state_dict().values():
        if value.is_floating_point() and value.ndim == 1:
            value.uniform_(0.5, 1)
    cfg = Config(dict(model=model_config(timm))).pretty_text
    meta = {"cfg": cfg, "dataset_meta": {"classes": CLASSES}}
    torch.save({"meta": meta, "state_dict": model.state_dict(), "optimizer": {}}, path)
    return model.eval()


def train_classifier(work_dir):
    """Train for two epochs, with a validation after each."""
    loader = dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type=DefaultSampler, shuffle=False),
        dataset=dict(type=Photos),
    )
    cfg = Config(
        dict(
            task=dict(type="mnv4_vision.cls.ClassificationTask"),
            image_size=(32, 32),
            data_root=str(work_dir / "data"),
            model=model_config(),
            work_dir=str(work_dir),
            train_dataloader=loader,
            val_dataloader=loader,
            # As in the configs; this run reads noise instead.
            test_pipeline=[dict(type="EvalCrop", scale=(32, 32), crop_pct=0.9, interpolation=None)],
            train_cfg=dict(type=EpochBasedTrainLoop, max_epochs=2),
            val_cfg=dict(type=ValLoop),
            val_evaluator=dict(type=MeanScore),
            optim_wrapper=dict(type=OptimWrapper, optimizer=dict(type="AdamW", lr=0.002)),
            default_hooks=dict(
                checkpoint=dict(
                    type=AtomicCheckpointHook, interval=1, save_best="cls/sure", rule="greater"
                )
            ),
            custom_hooks=[
                dict(type=EMAHook, ema_type=ExponentialMovingAverage, momentum=0.5),
                dict(type=RowsHook),
            ],
            # By default the second of the start: runs of the same one would share a message hub.
            experiment_name=uuid.uuid4().hex,
            log_level="ERROR",
        )
    )
    torch.manual_seed(0)
    Runner.from_cfg(cfg).train()
