"""Small mask sets to damage."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from dataset_helpers import write_noise

from mnv4_vision.datasets.masks import MaskData, MaskEncoding, MaskPair

SIZE = (40, 30)


def flat(*values: int) -> np.ndarray:
    """A mask of `SIZE` with these values in vertical stripes of about equal width."""
    columns = np.arange(SIZE[0]) * len(values) // SIZE[0]
    return np.tile(np.array(values, np.uint8)[columns], (SIZE[1], 1))


def write_split(root: Path, split: str, masks: Sequence[np.ndarray], seed: int = 0) -> None:
    """Write photos of noise and these masks in CamVid's layout."""
    (root / split).mkdir(parents=True)
    (root / f"{split}annot").mkdir()
    for index, mask in enumerate(masks):
        write_noise(root / split / f"{index}.jpg", seed + index, mask.shape[1::-1])
        cv2.imwrite(str(root / f"{split}annot" / f"{index}.png"), mask)


def mask_set(
    root: Path,
    train: Sequence[np.ndarray],
    val: Sequence[np.ndarray] = (),
    *,
    num_classes: int = 3,
    encoding: MaskEncoding | None = None,
    zero_is_none: bool | None = None,
) -> MaskData:
    """Write a set; its classes are `class 0`, `class 1`, ..."""
    splits = {}
    for seed, (split, masks) in enumerate({"train": train, "val": val}.items()):
        if len(masks):
            write_split(root, split, masks, 100 * seed)
            splits[split] = tuple(
                MaskPair(root / split / f"{i}.jpg", root / f"{split}annot" / f"{i}.png")
                for i in range(len(masks))
            )
    names = tuple(f"class {i}" for i in range(num_classes))
    encoding = encoding or MaskEncoding(tuple(range(num_classes)))
    palette = tuple((i, i, i) for i in range(num_classes))
    published = dict(zero_is_none=zero_is_none)
    return MaskData(root, "a set", "folders", names, palette, encoding, splits, **published)
