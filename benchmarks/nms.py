"""Time `compat`'s NMS against the plain torch greedy loop: 5,000 boxes of 80 classes.

    python benchmarks/nms.py

Both run in one process, one thread, alternating; the ratio is the median of the rounds' ratios of
CPU time. Every output is compared. `scattered` boxes hardly overlap and nearly all stay; `objects`
are detections around 60 objects; `one class` is the same without classes.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from mnv4_vision.compat.nms import nms


def greedy_loop(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    order = scores.sort(stable=True, descending=True).indices
    boxes = boxes[order]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    rest = torch.arange(len(boxes))
    kept = []
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        inter = (high - low).clamp(min=0).prod(1)
        rest = rest[inter / (area[best] + area[rest] - inter) <= iou_threshold]
    return order[torch.stack(kept)]


def make_boxes(kind: str, num_boxes: int, num_classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return class-shifted boxes `(N, 4)`, as `mmcv.ops.batched_nms` makes them, and scores."""
    random = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random)

    labels = torch.randint(num_classes, (num_boxes,), generator=random)
    if kind == "scattered":
        centre, size = uniform(num_boxes, 2) * 640, uniform(num_boxes, 2) * 200 + 4
    else:
        owner = torch.randint(60, (num_boxes,), generator=random)
        object_size = 10 * 2 ** (5 * uniform(60, 2))
        noise = torch.randn(2, num_boxes, 2, generator=random)
        centre = (640 * uniform(60, 2))[owner] + 0.15 * object_size[owner] * noise[0]
        size = object_size[owner] * (0.2 * noise[1]).exp()
        labels = torch.where(uniform(num_boxes) < 0.6, labels[owner], labels)
    boxes = torch.cat([centre - size / 2, centre + size / 2], 1).clamp(0, 640)
    if kind != "one class":
        boxes = boxes + (labels * (boxes.max() + 1))[:, None]
    return boxes, uniform(num_boxes)


def cpu_ms(function, *args) -> tuple[float, Tensor]:
    start = time.process_time()
    result = function(*args)
    return (time.process_time() - start) * 1e3, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boxes", type=int, default=5000)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--iou-threshold", type=float, default=0.5)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{args.boxes} boxes, {args.classes} classes, IoU {args.iou_threshold}, CPU, 1 thread")
    for kind in ("scattered", "objects", "one class"):
        times = []
        for seed in range(args.rounds + 1):
            inputs = (*make_boxes(kind, args.boxes, args.classes, seed), args.iou_threshold)
            loop_ms, expected = cpu_ms(greedy_loop, *inputs)
            compat_ms, kept = cpu_ms(nms, *inputs)
            if not torch.equal(kept, expected):
                raise SystemExit(f"{kind}, seed {seed}: the outputs differ")
            times.append((loop_ms, compat_ms, loop_ms / compat_ms))
        loop_ms, compat_ms, ratio = map(statistics.median, zip(*times[1:], strict=True))
        print(
            f"{kind:10} {len(kept):5} kept   loop {loop_ms:7.1f} ms   compat {compat_ms:6.2f} ms"
            f"   {ratio:5.0f} times faster"
        )


if __name__ == "__main__":
    main()
