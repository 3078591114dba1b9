"""A loss that is not a number: one line, the batch on disk, nothing spoilt in a checkpoint."""

import json

import cv2
import numpy as np
import pytest
import tiny_run
import torch
from mmengine.hooks import Hook
from mmengine.structures import BaseDataElement, InstanceData

from mnv4_vision.core.engine.batch_dump import names_of, split_batch
from mnv4_vision.core.errors import InputError


class Pictures(torch.utils.data.Dataset):
    """Pictures as detection has them; the eleventh holds a box that is not a number."""

    METAINFO = {"classes": ("low", "high")}
    spoilt = 11

    def __len__(self):
        return 20

    def __getitem__(self, index):
        side = float("nan") if index == self.spoilt else 6.0
        instances = InstanceData(bboxes=torch.tensor([[1.0, 1.0, 5.0, side]]))
        instances.labels = torch.tensor([1])
        sample = BaseDataElement(metainfo=dict(img_path=f"/data/{index}.jpg"))
        sample.gt_instances = instances
        image = torch.zeros(3, 8, 8, dtype=torch.uint8)
        image[0] = 200  # blue, as the pictures are BGR
        return {"inputs": image, "data_samples": sample}


class PictureModel(tiny_run.TinyModel):
    def forward(self, inputs, data_samples, mode="tensor"):
        boxes = torch.stack([s.gt_instances.bboxes[0] for s in data_samples])
        if mode == "loss":
            return {"loss_box": self.layers(boxes.repeat(1, 2)).mean(), "loss_cls": boxes.sum() * 0}
        return [torch.tensor(0.5) for _ in data_samples]


def make_config(work_dir):
    cfg = tiny_run.make_config(work_dir, history=False)
    cfg.model = dict(
        type=PictureModel,
        data_preprocessor=dict(
            type="ImgDataPreprocessor", mean=[0.0] * 3, std=[1.0] * 3, bgr_to_rgb=True
        ),
    )
    cfg.default_hooks.ema = cfg.custom_hooks.pop(0)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.type, loader.collate_fn.type = Pictures, "pseudo_collate"
    return cfg


def test_batch_with_a_bad_box_is_saved_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Pictures, "spoilt", -1)
    cfg = make_config(tmp_path)
    cfg.train_cfg.max_epochs = cfg.param_scheduler[1].end = 2

    class Spoil(Hook):
        def after_train_epoch(self, runner):
            monkeypatch.setattr(Pictures, "spoilt", 11)

    cfg.custom_hooks.append(dict(type=Spoil))
    with pytest.raises(InputError) as error:
        tiny_run.train(cfg)
    line = str(error.value)
    assert "\n" not in line
    for part in ("loss_box is nan", "epoch 2", "learning rate 0.0173", "for 11.jpg alone",
                 "--resume goes on from epoch_1.pth", "optimizer.lr=0.013"):  # fmt: skip
        assert part in line
    (folder,) = tmp_path.glob("nan_iter_*")
    images = json.loads((folder / "batch.json").read_text())["images"]
    assert [i["loss_alone"] == "nan" for i in images].count(True) == 1
    bad = next(i for i in images if i["name"] == "11.jpg")
    assert bad["img_path"] == "/data/11.jpg"
    assert bad["boxes"] == [[1.0, 1.0, 5.0, "nan"]]
    good = next(n for n, i in enumerate(images) if i["name"] != "11.jpg")
    picture = cv2.imread(str(next(folder.glob(f"{good}_*.png"))))
    assert picture[7, 7].tolist() == [200, 0, 0]
    assert picture[6, 3].tolist() == [0, 0, 255]  # the box's lower side
    saved = torch.load(tmp_path / "epoch_1.pth", weights_only=False)
    for part in ("state_dict", "ema_state_dict"):
        assert all(tensor.isfinite().all() for tensor in saved[part].values())


def test_spoilt_weights_are_not_saved(tmp_path):
    class Overflow(Hook):
        def after_train_epoch(self, runner):
            if runner.epoch == 1:
                runner.model.layers[0].weight.data[0, 0] = np.inf

    cfg = tiny_run.make_config(tmp_path, history=False)
    cfg.custom_hooks.append(dict(type=Overflow))
    with pytest.raises(InputError, match=r"layers\.0\.weight.*not saved: --resume.*epoch_1\.pth"):
        tiny_run.train(cfg)
    assert [p.name for p in tmp_path.glob("epoch_*.pth")] == ["epoch_1.pth"]


@pytest.mark.parametrize(
    "batch",
    [
        {"inputs": torch.arange(6).view(3, 2), "data_samples": ["a", "b", "c"]},
        {"inputs": list(torch.arange(6).view(3, 2)), "data_samples": ["a", "b", "c"]},
        [torch.arange(6).view(3, 2), torch.tensor([0, 1, 2])],
    ],
)
def test_any_batch_splits_into_its_samples(batch):
    parts = split_batch(batch)
    assert len(parts) == len(names_of(batch)) == 3
    second = list(parts[1].values()) if isinstance(batch, dict) else parts[1]
    assert second[0][0].tolist() == [2, 3]
    assert len(second[1]) == 1
