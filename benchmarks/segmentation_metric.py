"""Time the segmentation metric per image: mmseg's IoUMetric against SegmentationMetric.

    python benchmarks/segmentation_metric.py [--size 512 512] [--classes 150] [--images 10]

From label maps (one data sample an image, as `test_step` returns them) to the sums that the scores
follow from. Both run in one process, one thread, alternating; a time is the median of the rounds.
The maps are random: ten classes an image in smooth regions, a tenth of the pixels ignored. The two
must give the same mIoU, as far as mmseg rounds it.
"""

import argparse
import statistics
import time

import cv2
import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric

from mnv4_vision.seg import SegmentationMetric

CLASSES_PER_IMAGE = 10
GRID = 12  # regions are about a twelfth of the image wide


def make_samples(num: int, size: tuple[int, int], classes: int, rng: np.random.Generator) -> list:
    """Return data samples with random regions; the prediction has most of them, moved a little."""
    samples = []
    for _ in range(num):
        present = rng.permutation(classes)[:CLASSES_PER_IMAGE]
        truth = rng.normal(size=(GRID, GRID, len(present)))
        prediction = truth + 0.3 * rng.normal(size=truth.shape)
        maps = [
            torch.from_numpy(
                present[cv2.resize(field, size, interpolation=cv2.INTER_CUBIC).argmax(2)]
            )
            for field in (truth, prediction)
        ]
        maps[0][: size[1] // 10] = 255
        keys = ("gt_sem_seg", "pred_sem_seg")
        samples.append({key: {"data": m[None]} for key, m in zip(keys, maps, strict=True)})
    return samples


def timed(metric: BaseMetric, samples: list, classes: int) -> tuple[float, float]:
    """Return the CPU milliseconds an image and the mIoU in percent."""
    metric.dataset_meta = {"classes": tuple(map(str, range(classes)))}
    # Ours adds an image when the next one comes: with one in waiting, both add as many.
    metric.process({}, samples[:1])
    start = time.process_time()
    for sample in samples:
        metric.process({}, [sample])
    elapsed = time.process_time() - start
    result = metric.evaluate(len(samples) + 1)
    miou = 100 * result["seg/mIoU"] if "seg/mIoU" in result else float(result["mIoU"])
    return 1000 * elapsed / len(samples), miou


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512), metavar=("W", "H"))
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    MMLogger.get_current_instance().setLevel("ERROR")
    rng = np.random.default_rng(args.seed)
    samples = make_samples(args.images, tuple(args.size), args.classes, rng)
    print(
        f"{args.images} images of {args.size[0]} x {args.size[1]}, {args.classes} classes, 1 thread"
    )
    ways = {
        "mmseg IoUMetric": IoUMetric,
        "ours without boundaryF": lambda: SegmentationMetric(boundary=False),
        "ours": SegmentationMetric,
    }
    rounds = [
        {name: timed(make(), samples, args.classes) for name, make in ways.items()}
        for _ in range(args.rounds)
    ]
    mious = [round(miou, 2) for miou in (rounds[0][name][1] for name in ways)]
    if max(mious) - min(mious) > 0.011:  # mmseg sums in float32
        raise SystemExit(f"the scores differ: {mious}")
    print(f"the same mIoU, {mious[0]} %")
    for name in ways:
        times = [one[name][0] for one in rounds]
        print(f"{name:<24}{statistics.median(times):7.2f} ms CPU an image")


if __name__ == "__main__":
    main()
