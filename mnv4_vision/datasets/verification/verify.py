"""Verification of a detection set before training, remembered while nothing changes.

Findings are collected, so that one run shows them all; only a file that is no COCO annotation file
stops at once.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mnv4_vision.core.errors import InputError
from mnv4_vision.core.files import cache_folder, write_atomic
from mnv4_vision.datasets.verification.checks import check_annotations
from mnv4_vision.datasets.verification.findings import NUM_NAMED, Findings
from mnv4_vision.datasets.verification.image_checks import (
    ImageFile,
    Listing,
    check_images,
    find_copies,
    list_folder,
)
from mnv4_vision.datasets.verification.summary import SplitSummary, format_summaries

__all__ = ["DataReport", "SplitPaths", "verify_data"]

CHECKS_VERSION = 1  # of what is found and how it is said; another one makes old results unused
# Images of a class in val that random splitting would not have left without one in train.
_MANY_IMAGES = 5
# Where a loader leaves bad images out, the training fails only if most are bad.
_SKIPPED_SHARE = 0.5


@dataclass(frozen=True)
class SplitPaths:
    """What one split reads.

    Attributes:
        ann_file: COCO detection annotations.
        image_dir: Folder that the file names are relative to.
        skips_bad_images: Whether its loader goes on without images that cannot be read.
    """

    ann_file: Path
    image_dir: Path
    skips_bad_images: bool = False


@dataclass
class DataReport:
    """What a data set holds and what is wrong with it.

    Attributes:
        summaries: Per split.
        findings: Errors and warnings.
        notes: Other things to say, such as a cache that cannot be written.
    """

    summaries: dict[str, SplitSummary]
    findings: Findings
    notes: list[str] = field(default_factory=list)

    def describe(self, num_examples: int = NUM_NAMED) -> str:
        """Return the counts, the findings with some examples each, and the notes."""
        lines = [format_summaries(self.summaries), *self.findings.describe(num_examples)]
        return "\n".join(lines + [f"note     {note}" for note in self.notes])

    def raise_errors(self, advice: str) -> None:
        """Raise one line about the first error; `advice` is how to see them all.

        Raises:
            InputError: There are errors.
        """
        errors = self.findings.errors
        if errors:
            left = sum(error.count for error in errors) - 1
            more = f" ({left} more error{'s' * (left > 1)}: {advice})" if left else ""
            raise InputError(f"{errors[0].examples[0]}; {errors[0].fix}{more}")


def verify_data(splits: Mapping[str, SplitPaths], *, decode: bool | None = None) -> DataReport:
    """Check annotations and images, or return what was found when the same files were checked.

    Args:
        splits: "train" and "val", or one of them.
        decode: Decode every image; by default only in sets of up to `MAX_DECODED` images.

    Raises:
        InputError: A file is no COCO detection file; the message names file and record.
    """
    path = cache_folder() / "verify" / f"{_key(splits, decode)}.json"
    notes: list[str] = []
    with _alone(path):
        report = _remembered(path, notes)
        if report is None:
            report, listings = _verify(splits, decode)
            _remember(path, report, listings, notes)
    report.notes += notes
    return report


def _verify(
    splits: Mapping[str, SplitPaths], decode: bool | None
) -> tuple[DataReport, dict[str, Listing]]:
    """Check everything; also return the image folders as they were then."""
    report = DataReport({}, Findings())
    files: list[ImageFile] = []
    listings: dict[str, Listing] = {}
    for split, paths in splits.items():
        summary, images = check_annotations(split, paths.ann_file, report.findings)
        report.summaries[split] = summary
        files += check_images(
            split,
            paths.ann_file,
            paths.image_dir,
            images,
            report.findings,
            listings,
            decode=decode,
            tolerance=_SKIPPED_SHARE if paths.skips_bad_images else None,
        )
    find_copies(files, report.findings)
    if {"train", "val"} <= report.summaries.keys():
        _compare_classes(report)
    return report, listings


def _compare_classes(report: DataReport) -> None:
    """Note classes that val asks for again and again and train never shows.

    A class on a few validation images may be missing in train by chance, as many are in a small
    part of COCO.
    """
    train, val = report.summaries["train"], report.summaries["val"]
    for name in train.classes:
        images = val.class_images[name]
        if train.class_counts[name] == 0 and images >= _MANY_IMAGES:
            example = f"{train.ann_file} has no box of class {name!r}, {images} val images have one"
            report.findings.add("never_trained", "train", len(train.classes), example)


def _key(splits: Mapping[str, SplitPaths], decode: bool | None) -> str:
    """Digest what the result depends on, the image files apart."""
    digest = hashlib.sha256(f"{CHECKS_VERSION} {decode}".encode())
    for split, paths in splits.items():
        digest.update(f"\0{split}\0{paths!r}\0{paths.image_dir.absolute()}\0".encode())
        # What is wrong with the file is said when it is read.
        with suppress(OSError), paths.ann_file.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()


def _state_of(listings: Mapping[str, Listing]) -> str:
    """Digest names, sizes and times of the files in these folders."""
    digest = hashlib.sha256()
    for folder, files in sorted(listings.items()):
        digest.update(f"{folder}\0{sorted(files.items())}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _remembered(path: Path, notes: list[str]) -> DataReport | None:
    """Return the kept report if the images are the same; a damaged one is as good as none."""
    try:
        content = json.loads(path.read_bytes())
        if content["state"] != _state_of({f: list_folder(Path(f)) for f in content["folders"]}):
            return None
        splits = content["summaries"].items()
        summaries = {split: SplitSummary.from_dict(counts) for split, counts in splits}
        report = DataReport(summaries, Findings(content["findings"]))
        report.describe()
    except OSError:  # nothing kept yet
        return None
    except Exception as error:  # whatever a damaged file makes fail
        notes.append(f"{path} is damaged ({type(error).__name__}): checked anew")
        return None
    notes.append("files unchanged since they were checked")
    return report


def _remember(
    path: Path, report: DataReport, listings: Mapping[str, Listing], notes: list[str]
) -> None:
    content = {
        "folders": list(listings),
        "state": _state_of(listings),
        "summaries": {split: counts.as_dict() for split, counts in report.summaries.items()},
        "findings": report.findings.as_list(),
    }
    try:
        write_atomic(path, json.dumps(content).encode())
    except OSError as error:
        reason = error.strerror or error
        notes.append(
            f"the result cannot be kept in {path.parent} ({reason}): set MNV4_VISION_CACHE to a "
            "folder that can be written, or every training checks again"
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let the ranks of one machine wait for the first, whose result they find then."""
    with ExitStack() as stack:
        with suppress(ImportError, OSError):  # no fcntl on Windows, no locks on some disks
            import fcntl

            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.with_suffix(".lock").open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
