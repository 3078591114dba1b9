"""Time the evaluation of 5,000 images x 100 detections: mmdet's CocoMetric against FastCocoMetric.

    python benchmarks/evaluation.py [--rounds 1] [--images 5000]

From the model's predictions (one data sample an image, as `test_step` returns them) to the twelve
numbers: what a test in mmdet does besides the network, JSON files and pycocotools included, against
our default. Both read the annotations first, which is not timed. They run in one process, one
thread, alternating; the ratio is the median of the rounds'. mmdet rounds what it returns to three
decimals, so its pycocotools statistics are compared instead, to the last bit. The annotations are
random: 7.4 boxes an image, 1 % crowds, 80 classes. pycocotools takes a minute a round.
"""

import argparse
import io
import json
import os
import statistics
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import coco_metric
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mnv4_vision.det import FastCocoMetric

NUM_CLASSES = 80
BOXES_PER_IMAGE = 7.4
DETECTIONS_PER_IMAGE = 100
CROWD_SHARE = 0.012
CLASSES = tuple(f"class {k}" for k in range(NUM_CLASSES))


def make_annotations(num_images: int, rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """Return random COCO annotations: box sizes log-uniform, classes as uneven as COCO's."""
    share = 1 / np.arange(1, NUM_CLASSES + 1)
    annotations: list[dict[str, Any]] = []
    for image in range(1, num_images + 1):
        for _ in range(rng.poisson(BOXES_PER_IMAGE)):
            width, height = 2 ** rng.uniform(3, 8.5, 2)
            box = [*(rng.uniform(0, 1, 2) * (640 - width, 480 - height)), width, height]
            record = {
                "id": len(annotations) + 1,
                "image_id": image,
                "category_id": int(rng.choice(NUM_CLASSES, p=share / share.sum())) + 1,
                "bbox": [round(float(v), 2) for v in box],
                "area": float(width * height * rng.uniform(0.5, 1)),
                "iscrowd": int(rng.random() < CROWD_SHARE),
            }
            annotations.append(record)
    return {
        "images": [
            {"id": i, "width": 640, "height": 480, "file_name": f"{i}.jpg"}
            for i in range(1, num_images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)],
    }


def make_samples(
    annotations: dict[str, list[dict[str, Any]]], rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Return 100 predictions an image: noisy copies of its boxes, and noise."""
    boxes: dict[int, list[list[float]]] = {image["id"]: [] for image in annotations["images"]}
    for record in annotations["annotations"]:
        boxes[record["image_id"]].append([*record["bbox"], record["category_id"] - 1])
    samples = []
    for image, own in boxes.items():
        noise = np.column_stack(
            [
                rng.uniform(0, 400, (DETECTIONS_PER_IMAGE, 2)),
                2 ** rng.uniform(3, 8, (DETECTIONS_PER_IMAGE, 2)),
                rng.integers(0, NUM_CLASSES, DETECTIONS_PER_IMAGE),
            ]
        )
        copies = np.repeat(np.array(own).reshape(-1, 5), 4, axis=0)
        copies[:, :4] += rng.normal(0, 0.08, (len(copies), 4)) * copies[:, [2, 3, 2, 3]]
        rows = np.concatenate([copies, noise])[:DETECTIONS_PER_IMAGE]
        samples.append(_sample(image, rows, rng.beta(1, 4, len(rows))))
    return samples


def _sample(image: int, rows: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    corners = np.column_stack([rows[:, :2], rows[:, :2] + np.abs(rows[:, 2:4])])
    order = np.argsort(-scores)
    instances = {
        "bboxes": torch.tensor(corners[order], dtype=torch.float32),
        "scores": torch.tensor(scores[order], dtype=torch.float32),
        "labels": torch.tensor(rows[order, 4], dtype=torch.int64),
    }
    return {"img_id": image, "ori_shape": (480, 640), "pred_instances": instances}


def run(metric: BaseMetric, samples: list[dict[str, Any]]) -> dict[str, float]:
    for start in range(0, len(samples), 8):
        metric.process({}, samples[start : start + 8])
    return metric.evaluate(len(samples))


def timed(metric: BaseMetric, samples: list[dict[str, Any]]) -> tuple[float, float]:
    """Return CPU and wall seconds of `run`."""
    wall, cpu = time.perf_counter(), time.process_time()
    with redirect_stdout(io.StringIO()):
        run(metric, samples)
    return time.process_time() - cpu, time.perf_counter() - wall


class KeptEvaluation(coco_metric.COCOeval):
    """pycocotools' evaluation as mmdet runs it; remembers the statistics before any rounding."""

    stats_of_last: np.ndarray

    def summarize(self) -> None:
        """Average, and keep the result."""
        super().summarize()
        KeptEvaluation.stats_of_last = self.stats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["RAYON_NUM_THREADS"] = "1"  # hotcoco's, imported at the first evaluation
    MMLogger.get_instance("benchmark", log_level="ERROR")
    MMLogger.get_current_instance().setLevel("ERROR")
    rng = np.random.default_rng(args.seed)
    annotations = make_annotations(args.images, rng)
    samples = make_samples(annotations, rng)
    print(
        f"{args.images} images, {len(annotations['annotations'])} boxes, "
        f"{sum(len(s['pred_instances']['scores']) for s in samples)} detections, 1 thread"
    )
    coco_metric.COCOeval = KeptEvaluation
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "annotations.json"
        file.write_text(json.dumps(annotations))
        with redirect_stdout(io.StringIO()):
            theirs = CocoMetric(ann_file=str(file), proposal_nums=(1, 10, 100))
        ours = FastCocoMetric(ann_file=file)
        for metric in (theirs, ours):
            metric.dataset_meta = {"classes": CLASSES}
        for _ in range(args.rounds):
            slow, fast = timed(theirs, samples), timed(ours, samples)
            if list(ours.scores.stats.values()) != KeptEvaluation.stats_of_last.tolist():
                raise SystemExit("the statistics differ")
            rows.append((*slow, *fast, slow[0] / fast[0], slow[1] / fast[1]))
    cpu, wall, our_cpu, our_wall, cpu_ratio, wall_ratio = map(
        statistics.median, zip(*rows, strict=True)
    )
    print(f"the same twelve numbers, AP {ours.scores.stats['AP']!r}")
    print(f"CPU s    pycocotools {cpu:7.2f}   ours {our_cpu:5.2f}   {cpu_ratio:5.1f} times faster")
    print(
        f"wall s   pycocotools {wall:7.2f}   ours {our_wall:5.2f}   {wall_ratio:5.1f} times faster"
    )


if __name__ == "__main__":
    main()
