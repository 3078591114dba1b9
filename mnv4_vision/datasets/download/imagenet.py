"""ImageNet's archives into the one-folder-per-class layout that every classifier trains from."""

from collections.abc import Callable
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.download.archive import unpack, unpack_nested_tar

__all__ = ["unpack_train", "unpack_val"]

_DEVKIT = Path("ILSVRC2012_devkit_t12", "data")


def unpack_train(archive: Path, folder: Path, advance: Callable[[int], object]) -> None:
    """Unpack a tar of one tar per class below `folder / "train"`."""
    unpack_nested_tar(archive, folder / "train", advance)


def unpack_val(archive: Path, folder: Path, advance: Callable[[int], object]) -> None:
    """Unpack below `folder / "val"` and sort by class, as the devkit beside the archive says.

    Raises:
        InputError: Images and devkit do not belong together.
    """
    val = folder / "val"
    unpack(archive, val, advance)
    images = sorted(val.glob("*.JPEG"))
    synsets = _synsets_of_val(archive.parent / _DEVKIT)
    if len(images) != len(synsets):
        raise InputError(f"{archive} has {len(images)} images, its devkit lists {len(synsets)}")
    for image, synset in zip(images, synsets, strict=True):
        (val / synset).mkdir(exist_ok=True)
        image.rename(val / synset / image.name)


def _synsets_of_val(devkit: Path) -> list[str]:
    """The WordNet id of each validation image, in the order of the file names."""
    try:
        from scipy.io import loadmat
    except ImportError:
        raise InputError("ImageNet's devkit is read with scipy: pip install scipy") from None

    try:
        table = loadmat(devkit / "meta.mat", squeeze_me=True)["synsets"]
        names = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in table}
        truth = (devkit / "ILSVRC2012_validation_ground_truth.txt").read_text().split()
        return [names[int(number)] for number in truth]
    except Exception as error:  # scipy's reader fails in any way
        raise InputError(f"{devkit} is damaged ({error!r}): delete it and run again") from error
