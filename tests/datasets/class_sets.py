"""Small classification sets to damage: class folders with pictures of noise."""

from pathlib import Path

from dataset_helpers import write_noise

NAMES = ("ant", "bee", "cat")


def class_set(root: Path, *, train=(4, 3, 2), val=(2, 2, 2), size=(240, 224)) -> Path:
    """Write so many images of each class; no two are equal."""
    seed = 0
    for split, counts in (("train", train), ("val", val)):
        for name, count in zip(NAMES, counts, strict=True):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                write_noise(root / split / name / f"{index}.jpg", seed, size)
                seed += 1
    return root
