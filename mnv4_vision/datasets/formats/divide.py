"""Divides a set into train, val and test, with all classes in each.

Iterative stratification: Sechidis et al., On the Stratification of Multi-label Data, 2011,
algorithm 1. Images with equal bytes go to the same split.
"""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets.formats.layout import load_set
from mnv4_vision.datasets.formats.splits import LoadedSet, Split
from mnv4_vision.datasets.formats.writers import write_set

__all__ = ["class_counts", "divide_set", "stratify"]


def divide_set(
    source: Path | str,
    out: Path | str,
    *,
    val: float = 0.2,
    test: float = 0.0,
    seed: int = 0,
    images: str = "copy",
) -> LoadedSet:
    """Write a set without splits as train, val and test, in its own format.

    Args:
        source: A set with one unsplit group of annotations.
        out: Folder to create.
        val: Share of the images for validation.
        test: Share for a test split; 0 makes none.
        seed: Equal seeds give equal splits.
        images: `copy`, `hardlink` or `symlink`.

    Returns:
        The set with its splits.

    Raises:
        InputError: A share is out of range, a split would be empty, a file of the set is wrong.
    """
    if not (0 < val < 1 and 0 <= test < 1 and val + test < 1):
        raise InputError(
            f"shares of val {val} and test {test}: val must be above 0, both together below 1"
        )
    loaded = load_set(source, split=False)
    whole = loaded.splits["all"]
    shares = {"train": 1 - val - test, "val": val, **({"test": test} if test else {})}
    groups = _equal_images(whole)
    classes = _classes_of_images(whole.content)
    labels = [set().union(*(classes[image_id] for image_id in group)) for group in groups]
    parts = stratify(labels, list(map(len, groups)), list(shares.values()), seed)
    splits = {}
    for index, (name, share) in enumerate(shares.items()):
        chosen = [group for group, part in zip(groups, parts, strict=True) if part == index]
        if not chosen:
            raise InputError(
                f"{source} has {len(groups)} different images, too few for a {name} split of "
                f"{share:.0%}"
            )
        splits[name] = Split(whole.images, _part(whole.content, set().union(*chosen)))
    divided = LoadedSet(loaded.format, loaded.name, loaded.classes, splits, loaded.warnings)
    write_set(divided, loaded.format, out, images)
    return divided


def stratify(
    labels: Sequence[set[int]], weights: Sequence[int], shares: Sequence[float], seed: int
) -> list[int]:
    """Assign samples to parts so that each part has its share of every label.

    Args:
        labels: Labels of each sample.
        weights: How many images each sample stands for.
        shares: Size of each part, summing to 1.
        seed: Decides ties and the order of samples.

    Returns:
        The part of each sample.
    """
    rng = random.Random(seed)
    holders = defaultdict(set)
    for sample, names in enumerate(labels):
        for name in names:
            holders[name].add(sample)
    missing = [share * sum(weights) for share in shares]
    missing_of = {
        name: [share * sum(weights[s] for s in group) for share in shares]
        for name, group in holders.items()
    }
    parts: list[int | None] = [None] * len(labels)

    def assign(samples: list[int], wanted: list[float]) -> None:
        rng.shuffle(samples)
        for sample in samples:
            part = max(range(len(shares)), key=lambda p: (wanted[p], missing[p], rng.random()))
            parts[sample] = part
            missing[part] -= weights[sample]
            for name in labels[sample]:
                missing_of[name][part] -= weights[sample]
                holders[name].discard(sample)

    while any(holders.values()):
        # The rarest label first: a frequent one can still be balanced later.
        name = min((n for n in holders if holders[n]), key=lambda n: (len(holders[n]), n))
        assign(sorted(holders[name]), missing_of[name])
    assign([sample for sample, part in enumerate(parts) if part is None], missing)
    return parts


def class_counts(loaded: LoadedSet) -> dict[str, tuple[int, Counter[str]]]:
    """Return the number of images, and of boxes of each class, of every split."""
    counts = {}
    for split, data in loaded.splits.items():
        names = {category["id"]: category["name"] for category in data.content["categories"]}
        boxes = Counter(
            names[a["category_id"]] for a in data.content["annotations"] if not a.get("iscrowd")
        )
        counts[split] = len(data.content["images"]), boxes
    return counts


def _classes_of_images(content: dict[str, Any]) -> dict[int, set[int]]:
    classes: dict[int, set[int]] = {image["id"]: set() for image in content["images"]}
    for annotation in content["annotations"]:
        classes[annotation["image_id"]].add(annotation["category_id"])
    return classes


def _equal_images(split: Split) -> list[list[int]]:
    """Group the image ids by the bytes of their files; only files of equal size are read."""
    by_size: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for image in split.content["images"]:
        path = split.images / image["file_name"]
        if not path.is_file():
            raise MissingFileError(f"image {path} does not exist")
        by_size[path.stat().st_size].append(image)
    groups: dict[Any, list[int]] = defaultdict(list)
    for size, images in by_size.items():
        for image in images:
            content = (split.images / image["file_name"]).read_bytes() if len(images) > 1 else b""
            groups[size, hashlib.sha256(content).digest()].append(image["id"])
    return list(groups.values())


def _part(content: dict[str, Any], image_ids: set[int]) -> dict[str, Any]:
    return {
        **content,
        "images": [image for image in content["images"] if image["id"] in image_ids],
        "annotations": [a for a in content["annotations"] if a["image_id"] in image_ids],
    }
