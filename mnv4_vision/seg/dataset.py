"""The one data set class of segmentation: whatever `find_masks` finds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mnv4_vision.core.errors import InputError, did_you_mean, join_names
from mnv4_vision.datasets.masks import MaskData, MaskEncoding, find_masks

__all__ = ["MaskDataset", "choose_classes"]


@DATASETS.register_module()
class MaskDataset(BaseSegDataset):
    """Photos and masks of a data set in any layout that `find_masks` knows.

    Its samples have `img_path`, `seg_map_path` and `mask_encoding`, which `LoadMask` reads; their
    labels are final, so mmseg's own `reduce_zero_label` and `label_map` are off.

    Args:
        data_root: Folder of the data set.
        split: `train`, `val`, or another split of that set.
        pipeline: Transforms.
        indices: As in mmengine: the first so many samples, or these.
        test_mode: As in mmengine.
        reduce_zero_label: See `find_masks`.
        metainfo: `classes` chooses among the set's classes, the others are ignored pixels;
            `palette` gives other colours.

    Attributes:
        encoding: The values of the mask files, for the chosen classes.

    Raises:
        MissingFileError: No data set or no such split.
        InputError: A file is wrong, or a class is none of the set's.
    """

    def __init__(
        self,
        data_root: str | Path,
        split: str = "train",
        pipeline: Sequence[dict | Callable] = (),
        indices: int | Sequence[int] | None = None,
        test_mode: bool = False,
        reduce_zero_label: bool | None = None,
        metainfo: Mapping[str, Any] | None = None,
    ) -> None:
        data = find_masks(data_root, need=(split,), reduce_zero_label=reduce_zero_label)
        metainfo = dict(metainfo or {})
        classes = tuple(metainfo.pop("classes", data.classes))
        self.encoding, palette = choose_classes(data, classes)
        self._pairs = data.splits[split]
        super().__init__(
            data_root=str(data_root),
            data_prefix={},
            pipeline=list(pipeline),
            indices=indices,
            test_mode=test_mode,
            metainfo=dict(palette=palette) | metainfo | dict(classes=classes),
        )
        del self._pairs  # the base class keeps records, as bytes: 0.1 GB less for COCO's paths

    def load_data_list(self) -> list[dict]:
        """Return a record for each pair of the split."""
        return [dict(img_path=str(image), seg_map_path=str(mask)) for image, mask in self._pairs]

    def get_data_info(self, idx: int) -> dict:
        """Return a record; what all samples share is not stored in each."""
        shared = dict(
            mask_encoding=self.encoding, seg_fields=[], reduce_zero_label=False, label_map=None
        )
        return super().get_data_info(idx) | shared


def choose_classes(data: MaskData, classes: Sequence[str]) -> tuple[MaskEncoding, list[list[int]]]:
    """Return the encoding and palette of some of a set's classes, in the given order.

    Raises:
        InputError: One of them is none of the set's, one occurs twice, or there is only one.
    """
    labels = {name: label for label, name in enumerate(data.classes)}
    for name in classes:
        if name not in labels:
            raise InputError(
                f"metainfo.classes: {data.root} ({data.name}) has no class {name!r}"
                f"{did_you_mean(str(name), labels)}; it has {join_names(data.classes, 12)}: pass "
                "the data by --data-root, which takes the classes from there"
            )
    if len(set(classes)) < max(2, len(classes)):
        raise InputError(
            f"metainfo.classes: {', '.join(classes)}: name two classes or more, each once"
        )
    chosen = [labels[name] for name in classes]
    others = tuple(v for i, v in enumerate(data.encoding.values) if i not in chosen)
    encoding = MaskEncoding(
        tuple(data.encoding.values[label] for label in chosen), data.encoding.ignored + others
    )
    return encoding, [list(data.palette[label]) for label in chosen]
