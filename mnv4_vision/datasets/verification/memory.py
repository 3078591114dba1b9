"""Keeps the result of a verification for as long as the files stay as they are."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from mnv4_vision.core.files import cache_folder, write_atomic
from mnv4_vision.datasets.verification.findings import Findings
from mnv4_vision.datasets.verification.image_checks import Listing, list_folder
from mnv4_vision.datasets.verification.report import Report

__all__ = ["remembered"]

AnyReport = TypeVar("AnyReport", bound=Report)


def remembered(
    key: str, kind: type[AnyReport], check: Callable[[], tuple[AnyReport, dict[str, Listing]]]
) -> AnyReport:
    """Return what was found when the same files were checked, or check them.

    Args:
        key: Digest of all that the result depends on, the listed files apart.
        kind: Of the report.
        check: Checks everything; also returns the folders of the files as they were then.
    """
    path = cache_folder() / "verify" / f"{key}.json"
    notes: list[str] = []
    with _alone(path):
        report = _kept(path, kind, notes)
        if report is None:
            report, listings = check()
            _keep(path, report, listings, notes)
    report.notes += notes
    return report


def _state_of(listings: Mapping[str, Listing]) -> str:
    """Digest names, sizes and times of the files in these folders."""
    digest = hashlib.sha256()
    for folder, files in sorted(listings.items()):
        digest.update(f"{folder}\0{sorted(files.items())}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _kept(path: Path, kind: type[AnyReport], notes: list[str]) -> AnyReport | None:
    """Return the kept report if the files are the same; a damaged one is as good as none."""
    try:
        content = json.loads(path.read_bytes())
        if content["state"] != _state_of({f: list_folder(Path(f)) for f in content["folders"]}):
            return None
        splits = content["summaries"].items()
        summaries = {split: kind.summary_type.from_dict(counts) for split, counts in splits}
        report = kind(summaries, Findings(content["findings"]), content["notes"])
        report.describe()
    except OSError:  # nothing kept yet
        return None
    except Exception as error:  # whatever a damaged file makes fail
        notes.append(f"{path} is damaged ({type(error).__name__}): checked anew")
        return None
    notes.append("files unchanged since they were checked")
    return report


def _keep(path: Path, report: Report, listings: Mapping[str, Listing], notes: list[str]) -> None:
    content = {
        "folders": list(listings),
        "state": _state_of(listings),
        "summaries": {split: counts.as_dict() for split, counts in report.summaries.items()},
        "findings": report.findings.as_list(),
        "notes": report.notes,
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
