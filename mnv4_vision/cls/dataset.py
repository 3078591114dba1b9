"""The one data set class of classification: whatever `find_images` finds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from mnv4_vision.core.errors import InputError, did_you_mean, join_names
from mnv4_vision.datasets.image_folders import LabelledImages, find_images

__all__ = ["ImageDataset", "choose_classes"]


def choose_classes(data: LabelledImages, classes: Sequence[str]) -> dict[int, int]:
    """Return the new numbers of those of a set's labels that `classes` names.

    Raises:
        InputError: A class is none of the set's.
    """
    for name in classes:
        if name not in data.classes:
            raise InputError(
                f"metainfo.classes: {data.root} ({data.name}) has no class {name!r}"
                f"{did_you_mean(str(name), data.classes)}; it has "
                f"{join_names(data.classes, 12)}: pass the data by --data-root"
            )
    return {data.classes.index(name): number for number, name in enumerate(classes)}


@DATASETS.register_module()
class ImageDataset(BaseDataset):
    """Images of a set in any layout that `find_images` knows; samples have `img_path`, `gt_label`.

    Args:
        data_root: Folder of the set.
        split: `train`, `val`, or another split of that set.
        pipeline: Transforms.
        indices: These samples only; of a number so many, spread evenly over the set: images are
            listed class by class, and the first ones would all show the same thing.
        test_mode: As in mmengine.
        metainfo: `classes` chooses among the set's classes and orders them; images of others are
            left out.

    Raises:
        MissingFileError: No data set or no such split.
        InputError: A class is none of the set's.
    """

    def __init__(
        self,
        data_root: str | Path,
        split: str = "train",
        pipeline: Sequence[dict | Callable] = (),
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        metainfo: Mapping[str, Any] | None = None,
    ) -> None:
        data = find_images(data_root, only=(split,))
        metainfo = dict(metainfo or {})
        classes = tuple(metainfo.pop("classes", data.classes))
        numbers = choose_classes(data, classes)
        self._records = [
            dict(img_path=path, gt_label=numbers[label])
            for path, label in data.splits[split]
            if label in numbers
        ]
        if isinstance(indices, int):
            indices = _spread(indices, len(self._records))
        super().__init__(
            data_root=str(data_root),
            data_prefix={},
            pipeline=list(pipeline),
            indices=indices,
            test_mode=test_mode,
            metainfo=metainfo | dict(classes=classes),
        )
        del self._records  # the base class keeps them, as bytes

    def load_data_list(self) -> list[dict]:
        """Return a record for each image of the split."""
        return self._records


def _spread(count: int, total: int) -> list[int]:
    """Return `count` of the numbers below `total`, at even distances; all where there are fewer."""
    count = min(count, total)
    return [number * total // count for number in range(count)]
