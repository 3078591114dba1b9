"""Finds the files of a data set below one folder, from a table of known layouts."""

from dataclasses import dataclass
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.datasets._coco_json import class_names, read_categories

__all__ = ["CocoLayout", "find_coco"]


@dataclass(frozen=True)
class CocoLayout:
    """Where a detection set in COCO format lies, and its classes in label order."""

    name: str
    train_ann: Path
    train_images: Path
    val_ann: Path
    val_images: Path
    classes: tuple[str, ...]


# name: {split: (annotation file, image folder)}, tried from the top.
_COCO_LAYOUTS: dict[str, dict[str, tuple[str, str]]] = {
    "COCO 2017": {
        "train": ("annotations/instances_train2017.json", "train2017"),
        "val": ("annotations/instances_val2017.json", "val2017"),
    },
    "COCO": {
        "train": ("annotations/instances_train.json", "train"),
        "val": ("annotations/instances_val.json", "val"),
    },
    "train.json + val.json + images": {
        "train": ("train.json", "images"),
        "val": ("val.json", "images"),
    },
}
HOW_TO_GET = (
    "Generate a small set with `python tools/data.py demo --out data/demo`, or unpack COCO's "
    "train2017.zip, val2017.zip and annotations_trainval2017.zip (https://cocodataset.org/#download)"
)


def find_coco(root: Path | str, *, need: tuple[str, ...] = ("train", "val")) -> CocoLayout:
    """Find annotation files and image folders below `root`.

    Args:
        root: The folder given as `--data-root`.
        need: Splits whose files must exist; `("val",)` is enough to evaluate.

    Raises:
        MissingFileError: No layout fits; the message lists every path that was looked for.
        InputError: The train and val files do not have the same classes.
    """
    root = Path(root)
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "does not exist"
        raise MissingFileError(
            f"data root {root} {state} (looked at {root.absolute()}). {HOW_TO_GET}"
        )
    for name, splits in _COCO_LAYOUTS.items():
        if all((root / splits[split][0]).is_file() for split in need):
            _check_image_folders(root, name, need)
            return _describe(root, name, need)
    raise MissingFileError(f"{_nothing_found(root, need)}. {HOW_TO_GET}")


def _check_image_folders(root: Path, name: str, need: tuple[str, ...]) -> None:
    for split in need:
        annotations, images = (root / part for part in _COCO_LAYOUTS[name][split])
        if not images.is_dir():
            raise MissingFileError(
                f"{annotations} is there, but its image folder {images} is missing; "
                f"put the {split} images there"
            )


def _describe(root: Path, name: str, need: tuple[str, ...]) -> CocoLayout:
    paths = {s: [root / part for part in parts] for s, parts in _COCO_LAYOUTS[name].items()}
    classes = {s: class_names(paths[s][0], read_categories(paths[s][0])) for s in need}
    first = classes[need[0]]
    for split in need[1:]:
        if classes[split] != first:
            _refuse_classes(paths[need[0]][0], first, paths[split][0], classes[split])
    (train_ann, train_images), (val_ann, val_images) = paths["train"], paths["val"]
    return CocoLayout(name, train_ann, train_images, val_ann, val_images, first)


def _refuse_classes(
    path: Path, names: tuple[str, ...], other_path: Path, other_names: tuple[str, ...]
) -> None:
    if sorted(names) == sorted(other_names):
        detail = "the same categories in another order; labels follow the order, make it the same"
    else:
        odd = sorted(set(names) ^ set(other_names))
        more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
        detail = f"other categories ({', '.join(odd[:5])}{more} in only one of them)"
    raise InputError(f"{other_path} has {detail} than {path}")


def _nothing_found(root: Path, need: tuple[str, ...]) -> str:
    tried = [" + ".join(splits[split][0] for split in need) for splits in _COCO_LAYOUTS.values()]
    here = sorted(entry.name for entry in root.iterdir())
    shown = ", ".join(here[:8]) + (", ..." if len(here) > 8 else "")
    return (
        f"no COCO data in {root.resolve()}, which holds {shown or 'nothing'}; looked there for "
        f"{'; or '.join(tried)}"
    )
