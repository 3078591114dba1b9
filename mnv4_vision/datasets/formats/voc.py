"""Pascal VOC: one XML file an image, in the devkit's folders or beside the images."""

from collections.abc import Collection, Sequence
from pathlib import Path

from mnv4_vision.core.errors import InputError, MissingFileError, join_names
from mnv4_vision.datasets.formats._text import read_class_file, read_text
from mnv4_vision.datasets.formats._voc_xml import VocSet
from mnv4_vision.datasets.formats.splits import FoundSet, Item, SplitFiles
from mnv4_vision.datasets.image_files import by_stem, list_files, list_images

__all__ = ["VOC_LAYOUTS", "find_voc"]

VOC_LAYOUTS = (
    "Annotations/*.xml + JPEGImages/ + ImageSets/Main/{train,val}.txt",
    "train/ and val/ with .xml beside the images",
)
_CLASS_FILES = ("classes.txt", "labels.txt")
_ANNOTATION_FOLDERS = ("Annotations", "annotations", "xml", "labels")
_IMAGE_FOLDERS = ("JPEGImages", "images", "Images")
# split: the image sets of the devkit, or the folders, that may hold it
_IMAGE_SETS = {"train": ("train", "trainval"), "val": ("val",), "test": ("test",)}
_FOLDERS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


def find_voc(root: Path, wanted: Collection[str]) -> FoundSet | None:
    """Find a VOC set below `root` and list its `wanted` splits; None where there is none.

    Raises:
        InputError: An image set or class file is unreadable, or several devkit years are there.
        MissingFileError: An annotation without image, or the other way round.
    """
    home = _devkit_home(root)
    if home is not None:
        splits, sets = _devkit_splits(home, wanted)
        name = f"VOC: {' + '.join(path.stem for path in sets)} in ImageSets/Main"
        return _found(name, root, home, splits, sets)
    splits = _folder_splits(root, wanted)
    if splits:
        return _found(f"VOC: {' + '.join(splits)} folders", root, root, splits, ())
    for annotations, images in _unsplit_folders(root):
        files = _pair(list_files(annotations, (".xml",)), annotations, images)
        return _found("VOC without splits", root, root, {"all": files}, ())
    return None


def _found(name: str, root: Path, home: Path, splits: dict, sets: Sequence[Path]) -> FoundSet:
    folders = dict.fromkeys((home, root))
    tables = [folder / file for folder in folders for file in _CLASS_FILES]
    table = next((path for path in tables if path.is_file()), None)
    classes = read_class_file(table) if table else None
    warnings = [_unlabelled(files) for split, files in splits.items() if not sets]
    return VocSet(
        "voc",
        name,
        root,
        splits,
        classes,
        (*sets, *([table] if table else [])),
        tuple(filter(None, warnings)),
    )


def _devkit_home(root: Path) -> Path | None:
    candidates = [root, *sorted(root.glob("VOC*")), *sorted(root.glob("VOCdevkit/VOC*"))]
    homes = [
        c for c in candidates if all((c / p).is_dir() for p in ("Annotations", "ImageSets/Main"))
    ]
    if len(homes) > 1:
        names = ", ".join(str(home.relative_to(root)) for home in homes)
        raise InputError(f"{root} holds several VOC sets ({names}): pass one of these folders")
    return homes[0] if homes else None


def _devkit_splits(home: Path, wanted: Collection[str]) -> tuple[dict[str, SplitFiles], list[Path]]:
    """Read the image sets; the test set of a set without val.txt serves for validation."""
    main = home / "ImageSets" / "Main"
    sets = {}
    for split, names in _IMAGE_SETS.items():
        paths = [main / f"{name}.txt" for name in names]
        path = next((path for path in paths if path.is_file()), None)
        if path:
            sets[split] = path
    if "val" not in sets and "test" in sets:
        sets["val"] = sets.pop("test")
    images = next((home / name for name in _IMAGE_FOLDERS if (home / name).is_dir()), None)
    if images is None:
        raise MissingFileError(f"{home} has Annotations, but no folder JPEGImages with the images")
    if not sets:
        annotations = home / "Annotations"
        return {"all": _pair(list_files(annotations, (".xml",)), annotations, images)}, []
    sets = {split: path for split, path in sets.items() if split in wanted}
    index = by_stem(images, list_images(images))
    return {s: _set_files(path, home, images, index) for s, path in sets.items()}, list(
        sets.values()
    )


def _set_files(path: Path, home: Path, images: Path, index: dict[str, Path]) -> SplitFiles:
    items: dict[str, Item] = {}
    for number, line in enumerate(read_text(path, "image set").splitlines(), 1):
        if not line.strip():
            continue
        name = line.strip()
        annotation = home / "Annotations" / f"{name}.xml"
        if name in items:
            raise InputError(f"{path}:{number}: {name!r} is listed twice")
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise InputError(f"{path}:{number}: {name!r} leaves the folder; give names below it")
        if not annotation.is_file():
            raise MissingFileError(f"{path}:{number}: {annotation} does not exist")
        if name not in index:
            raise MissingFileError(f"{path}:{number}: no image {name}.* in {images}")
        items[name] = Item(index[name].relative_to(images).as_posix(), annotation)
    if not items:
        raise InputError(f"{path} lists no image; give one name a line")
    return SplitFiles(images, tuple(items.values()))


def _folder_splits(root: Path, wanted: Collection[str]) -> dict[str, SplitFiles]:
    splits = {}
    for split in wanted:
        for folder in (root / name for name in _FOLDERS[split]):
            xml = list_files(folder, (".xml",)) if folder.is_dir() else []
            if xml:
                splits[split] = _pair(xml, folder, folder)
                break
    return splits if "train" in splits or "val" in splits else {}


def _unsplit_folders(root: Path) -> list[tuple[Path, Path]]:
    """Return the annotation and the image folder of a set that was never split, or nothing."""
    images = next((root / name for name in _IMAGE_FOLDERS if (root / name).is_dir()), root)
    for folder in [*(root / name for name in _ANNOTATION_FOLDERS), images, root]:
        if folder.is_dir() and next(folder.glob("*.xml"), None):
            return [(folder, images)]
    return []


def _pair(xml: list[Path], annotations: Path, images: Path) -> SplitFiles:
    index = by_stem(images, list_images(images))
    stems = {path: path.relative_to(annotations).with_suffix("").as_posix() for path in xml}
    lost = [path.name for path, stem in stems.items() if stem not in index]
    if lost:
        raise MissingFileError(
            f"{len(lost)} of {len(xml)} annotation files in {annotations} have no image of the "
            f"same name in {images}: {join_names(lost)}"
        )
    items = (Item(index[s].relative_to(images).as_posix(), path) for path, s in stems.items())
    return SplitFiles(images, tuple(items))


def _unlabelled(files: SplitFiles) -> str | None:
    names = {item.name for item in files.items}
    others = [path.relative_to(files.images).as_posix() for path in list_images(files.images)]
    left_out = [name for name in others if name not in names]
    if not left_out:
        return None
    names = join_names(left_out)
    return f"images without an .xml left out: {len(left_out)} in {files.images} ({names})"
