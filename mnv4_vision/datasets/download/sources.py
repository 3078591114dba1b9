"""Where the public data sets come from: archives, digests, terms, and what they unpack to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mnv4_vision.datasets.download.archive import unpack
from mnv4_vision.datasets.download.imagenet import unpack_train, unpack_val

__all__ = ["SOURCES", "Archive", "Source"]


@dataclass(frozen=True)
class Archive:
    """One file of a data set.

    Attributes:
        filename: Its name on disk, before it is unpacked.
        url: Address; None where the owner gives it to registered users only.
        size_gb: Size of the file, about.
        unpacked_gb: Size of what is in it, about.
        checksum: `algorithm:hexadecimal`.
        splits: What it is needed for.
        holds: Paths it unpacks to, with the number of entries that a folder has at least
            (1 for a file).
        unpack: Function of archive, folder and progress that does it.
    """

    filename: str
    url: str | None
    size_gb: float
    unpacked_gb: float
    checksum: str
    splits: tuple[str, ...]
    holds: Mapping[str, int]
    unpack: Callable[[Path, Path, Callable[[int], object]], object] = unpack


@dataclass(frozen=True)
class Source:
    """A data set.

    Attributes:
        title: Its name in messages.
        terms: What may be done with it.
        page: Where its owner says so and offers it.
        archives: In the order in which they are unpacked.
        steps: For a licensed set, how to come by the archives.
    """

    title: str
    terms: str
    page: str
    archives: tuple[Archive, ...]
    steps: tuple[str, ...] = ()


_BOTH = ("train", "val")

# COCO and ADE20K publish no digests: these are TensorFlow Datasets' (url_checksums/coco.txt) and
# GluonCV's (scripts/datasets/ade20k.py). ImageNet's stand on its download page.
SOURCES: Mapping[str, Source] = {
    "coco": Source(
        "COCO 2017",
        "annotations under CC BY 4.0; each picture is its Flickr photographer's",
        "https://cocodataset.org/#termsofuse",
        (
            Archive(
                "annotations_trainval2017.zip",
                "http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
                0.25,
                0.84,
                "sha256:113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
                _BOTH,
                {
                    "annotations/instances_train2017.json": 1,
                    "annotations/instances_val2017.json": 1,
                },
            ),
            Archive(
                "val2017.zip",
                "http://images.cocodataset.org/zips/val2017.zip",
                0.82,
                0.82,
                "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
                ("val",),
                {"val2017": 5000},
            ),
            Archive(
                "train2017.zip",
                "http://images.cocodataset.org/zips/train2017.zip",
                19.34,
                19.4,
                "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
                ("train",),
                {"train2017": 118_287},
            ),
        ),
    ),
    "ade20k": Source(
        "ADE20K, the scene parsing challenge of 2016",
        "images for non-commercial research and education, annotations under BSD-3-Clause",
        "https://groups.csail.mit.edu/vision/datasets/ADE20K/terms/",
        (
            Archive(
                "ADEChallengeData2016.zip",
                "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
                0.97,
                1.1,
                "sha1:219e1696abb36c8ba3a3afe7fb2f4b4606a897c7",
                _BOTH,
                {
                    "ADEChallengeData2016/images/training": 20_210,
                    "ADEChallengeData2016/images/validation": 2000,
                    "ADEChallengeData2016/annotations/training": 20_210,
                    "ADEChallengeData2016/annotations/validation": 2000,
                },
            ),
        ),
    ),
    "imagenet": Source(
        "ImageNet-1k (ILSVRC 2012)",
        "non-commercial research and education, for registered users",
        "https://image-net.org/download.php",
        (
            Archive(
                "ILSVRC2012_devkit_t12.tar.gz",
                None,
                0.01,
                0.01,
                "md5:fa75699e90414af021442c21a62c3abf",
                ("val",),
                {
                    "ILSVRC2012_devkit_t12/data/meta.mat": 1,
                    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": 1,
                },
            ),
            Archive(
                "ILSVRC2012_img_val.tar",
                None,
                6.74,
                6.8,
                "md5:29b22e2961454d5413ddabcf34fc5622",
                ("val",),
                {"val": 1000},
                unpack_val,
            ),
            Archive(
                "ILSVRC2012_img_train.tar",
                None,
                147.9,
                148.0,
                "md5:1d675b47d978889d74fa0da5fadfb00e",
                ("train",),
                {"train": 1000},
                unpack_train,
            ),
        ),
        steps=(
            "Register at https://image-net.org/signup and wait for the approval.",
            "Log in, accept the terms at https://image-net.org/download.php, choose ILSVRC 2012.",
            "Download the training images and validation images of tasks 1 and 2, and the "
            "development kit of tasks 1 and 2.",
        ),
    ),
}
