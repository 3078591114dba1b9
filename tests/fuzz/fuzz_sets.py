"""Small healthy data sets to spoil, and what a training does with one."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from mnv4_vision.datasets import (
    class_table,
    convert_set,
    find_data,
    measure,
    paths_of,
    read_usable,
    verify_data,
)
from mnv4_vision.det.evaluation.scores import evaluate_coco, format_table

WIDTH, HEIGHT = 64, 48
PACK = {"type": "PackDetInputs", "meta_keys": ("img_id", "ori_shape", "img_shape")}
BOXES = {"type": "LoadAnnotations", "with_bbox": True}
PIPELINES = {
    "train": [
        {"type": "LoadImage"},
        BOXES,
        {"type": "ResizeCropFlip", "scale": (64, 64), "ratio_range": (0.8, 1.2)},
        PACK,
    ],
    "val": [
        {"type": "LoadImage"},
        {"type": "Resize", "scale": (64, 64), "keep_ratio": True},
        BOXES,
        PACK,
    ],
}


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (WIDTH, HEIGHT))


def annotations(split: str) -> dict:
    """Three images, two categories with gaps in the ids, polygons and one crowd region."""
    names = [f"{split}_{number}.jpg" for number in (1, 2, 3)]
    boxes = [[4, 5, 20, 12], [30.5, 8.25, 22, 30], [10, 10, 12, 12], [0, 0, 60, 40]]
    records = []
    for number, (x, y, w, h) in enumerate(boxes, start=1):
        polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
        records.append(
            {
                "id": number,
                "image_id": min(number, 3),
                "category_id": (3, 7)[number % 2],
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
                "segmentation": [polygon],
            }
        )
    mask = {"size": [HEIGHT, WIDTH], "counts": [100, 50, WIDTH * HEIGHT - 150]}
    records[-1] |= {"iscrowd": 1, "segmentation": mask}
    return {
        "info": {"description": "fuzz"},
        "images": [
            {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for number, name in enumerate(names, start=1)
        ],
        "annotations": records,
        "categories": [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}],
    }


def make_coco(root: Path) -> Path:
    """`annotations/instances_{train,val}.json` beside `train/` and `val/`."""
    (root / "annotations").mkdir(parents=True)
    for number, split in enumerate(("train", "val")):
        content = annotations(split)
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content, indent=1))
        (root / split).mkdir()
        for image in content["images"]:
            seed = 10 * number + image["id"]
            cv2.imwrite(str(root / split / image["file_name"]), picture(seed))
    return root


def make_set(root: Path, fmt: str) -> Path:
    """The same set as `coco`, `voc` or `yolo`."""
    if fmt == "coco":
        return make_coco(root)
    convert_set(make_coco(root.with_name(root.name + "_coco")), fmt, root)
    return root


def copy_of(original: Path, root: Path) -> Path:
    return Path(shutil.copytree(original, root))


def use(root: Path) -> None:
    """Find, verify, load every image and score no detections, as a short training would."""
    layout = find_data(root)
    paths = paths_of(layout)
    report = verify_data(paths)
    assert report.describe()
    look_at(paths)
    report.raise_errors("look")
    assert class_table(report.summaries)
    init_default_scope("mmdet")
    for split, files in paths.items():
        dataset = DATASETS.build(
            {
                "type": "CocoDataset",
                "ann_file": str(files.ann_file),
                "data_prefix": {"img": str(files.image_dir)},
                "metainfo": {"classes": layout.classes},
                "filter_cfg": {"filter_empty_gt": split == "train", "min_size": 1},
                "test_mode": split == "val",
                "serialize_data": False,  # it collects all garbage first: 0.5 s
                "pipeline": PIPELINES[split],
            }
        )
        for index in range(len(dataset)):
            sample = dataset[index]
            boxes = sample["data_samples"].gt_instances.bboxes.tensor
            assert boxes.isfinite().all()
    scores = evaluate_coco(layout.val_ann, [], class_names=layout.classes)
    assert format_table(scores)


def look_at(paths: dict) -> None:
    """What `tools/data.py browse` and `stats` read: also of a set with errors."""
    for files in paths.values():
        content, _ = read_usable(files.ann_file)
        measure(content)
