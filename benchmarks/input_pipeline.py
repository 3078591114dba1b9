"""Time the training input pipeline against mmdet's that does the same: file to packed batch.

    python benchmarks/input_pipeline.py ANNOTATIONS.json IMAGES [ANNOTATIONS.json IMAGES ...]

Ours is the pipeline of the config; mmdet's is `LoadImageFromFile, LoadAnnotations, RandomResize,
RandomCrop, RandomFlip, Albu, Pad, PackDetInputs` with the same arguments. Both run in one process
on one thread, interleaved, batch by batch, with the default collate; times are process CPU time,
the ratio is the median of the rounds' ratios. Before that, without colour, both are compared: the
same seeds give the same pixels, boxes and labels. With colour they differ, as mmdet hands BGR to
albumentations, which takes it for RGB.
"""

import argparse
import copy
import json
import statistics
import time
import warnings
from collections.abc import Callable

import cv2
import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, init_default_scope

from mnv4_vision.core.engine import load_config

CONFIG = "configs/det/retina_mnv4_conv_m.py"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", help="pairs of a COCO JSON and its image folder")
    parser.add_argument("--config", default=CONFIG, help=f"default: {CONFIG}")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", action="store_true", help="print the time of each step too")
    args = parser.parse_args()
    if len(args.data) % 2:
        parser.error("data: pairs of a COCO JSON and its image folder")
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    init_default_scope("mmdet")
    dataset = load_config(args.config).train_dataloader.dataset
    pipelines = {"mmdet": mmdet_pipeline(dataset.pipeline), "ours": dataset.pipeline}
    print(f"{args.config}, batch {args.batch}, {args.rounds} rounds, CPU, 1 thread")
    for annotations, images in zip(args.data[::2], args.data[1::2], strict=True):
        sets = {k: make_dataset(dataset, annotations, images, p) for k, p in pipelines.items()}
        plain = {
            k: make_dataset(dataset, annotations, images, without_colour(p))
            for k, p in pipelines.items()
        }
        check_equal(plain["ours"], plain["mmdet"])
        report(annotations, sets, args)


def mmdet_pipeline(ours: list[dict]) -> list[dict]:
    """Return mmdet's steps for the steps of our pipeline."""
    _, load, jitter, colour, pad, _ = copy.deepcopy(ours)
    return [
        dict(type="LoadImageFromFile"),
        load,
        dict(
            type="RandomResize",
            scale=jitter.scale,
            ratio_range=jitter.ratio_range,
            keep_ratio=True,
        ),
        dict(type="RandomCrop", crop_size=jitter.scale),
        dict(type="RandomFlip", prob=0.5),
        dict(type="Albu", transforms=colour.transforms),
        pad,
        dict(type="PackDetInputs"),
    ]


def without_colour(pipeline: list[dict]) -> list[dict]:
    return [step for step in pipeline if "transforms" not in step]


def make_dataset(template: dict, annotations: str, images: str, pipeline: list[dict]):
    """Build the config's data set over these files, with the classes of the JSON file."""
    names = [c["name"] for c in load_json(annotations)["categories"]]
    files = dict(
        data_root="",
        ann_file=annotations,
        data_prefix=dict(img=images),
        metainfo=dict(classes=tuple(names)),
    )
    return DATASETS.build({**template, **files, "pipeline": copy.deepcopy(pipeline)})


def load_json(path: str) -> dict:
    with open(path) as file:
        return json.load(file)


def check_equal(ours, theirs) -> None:
    """Raise unless the same seeds give the same samples."""
    for index in range(len(ours)):
        np.random.seed(index)
        a = ours[index]
        np.random.seed(index)
        b = theirs[index]
        boxes = [item["data_samples"].gt_instances.bboxes.tensor for item in (a, b)]
        labels = [item["data_samples"].gt_instances.labels for item in (a, b)]
        if not all(torch.equal(*pair) for pair in ((a["inputs"], b["inputs"]), boxes, labels)):
            raise SystemExit(f"image {index}: the pipelines differ")


def report(name: str, sets: dict, args: argparse.Namespace) -> None:
    """Print the times of both pipelines over a data set."""
    milliseconds: dict[str, list[float]] = {key: [] for key in sets}
    for round_index in range(args.rounds + 1):
        spent = dict.fromkeys(sets, 0.0)
        batches = range(0, len(sets["ours"]) - args.batch + 1, args.batch)
        for batch, start in enumerate(batches):
            for key in list(sets) if batch % 2 else reversed(list(sets)):
                np.random.seed(round_index * 1000 + start)
                spent[key] += cpu_ms(lambda d=sets[key], s=start: read_batch(d, s, args.batch))
        for key in sets:
            milliseconds[key].append(spent[key] / (len(batches) * args.batch))
    ratios = [a / b for a, b in zip(milliseconds["mmdet"], milliseconds["ours"], strict=True)]
    theirs, ours, ratio = (
        statistics.median(values[1:])
        for values in (milliseconds["mmdet"], milliseconds["ours"], ratios)
    )
    print(
        f"{name}: {len(sets['ours'])} images   mmdet {theirs:.2f} ms ({1e3 / theirs:.0f}/s)   "
        f"ours {ours:.2f} ms ({1e3 / ours:.0f}/s)   {ratio:.2f} times as many images"
    )
    if args.steps:
        for key, dataset in sets.items():
            print(f"  {key}: {', '.join(f'{n} {ms:.2f}' for n, ms in steps_ms(dataset).items())}")


def read_batch(dataset, start: int, size: int) -> dict:
    return pseudo_collate([dataset[start + index] for index in range(size)])


def cpu_ms(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return (time.process_time() - start) * 1e3


def steps_ms(dataset, rounds: int = 3) -> dict[str, float]:
    """Return the mean time of each step; a refused sample ends early."""
    total = {"get_data_info": 0.0}
    for index in range(rounds * len(dataset)):
        np.random.seed(index)
        start = time.process_time()
        results = dataset.get_data_info(index % len(dataset))
        total["get_data_info"] += time.process_time() - start
        for step in dataset.pipeline.transforms:
            if results is None:
                break
            start = time.process_time()
            results = step(results)
            name = type(step).__name__
            total[name] = total.get(name, 0.0) + time.process_time() - start
    return {name: 1e3 * seconds / (rounds * len(dataset)) for name, seconds in total.items()}


if __name__ == "__main__":
    main()
