"""What the verification of a data set can find: one table of kinds, and how findings are told."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["KINDS", "MANY_IMAGES", "SKIPPED_SHARE", "Finding", "Findings", "Kind"]

# The official COCO train2017 has two boxes without width among 860,001 and must train.
RARE = 1 / 1000
FEW = 1 / 100
MOSTLY_FINE = 0.5
ALWAYS_WARNING = 1.0
# Where a loader leaves bad images out, the training fails only if most are bad.
SKIPPED_SHARE = 0.5
# Images of a class in val that random splitting would not have left without one in train.
MANY_IMAGES = 5
NUM_KEPT = 1000  # records that one finding names at most
NUM_NAMED = 3
SHORT = 32  # letters of an example that is a name


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes:
        title: What the records are, in the plural.
        fix: What to do about them; empty where there may be nothing to do.
        tolerance: Share of the records up to which it is a warning; above, an error.
    """

    title: str
    fix: str
    tolerance: float = 0.0


KINDS: dict[str, Kind] = {
    "duplicate_id": Kind("records with the id of another one", "give each an id of its own"),
    "unknown_image": Kind("boxes of an image that is not listed", "list it, or delete the boxes"),
    "unknown_category": Kind(
        "boxes of a category that is not listed", "list it, or delete the boxes"
    ),
    "no_area": Kind("boxes without area", "delete them or draw them again", RARE),
    "thin": Kind("boxes thinner than a pixel", "delete them or draw them again", RARE),
    "outside": Kind("boxes outside their image", "delete them or draw them again", RARE),
    "fractions": Kind(
        "files with all coordinates between 0 and 1",
        "COCO's boxes are in pixels: multiply by width and height, or give the data as YOLO",
    ),
    "corners": Kind(
        "files whose boxes look like x1, y1, x2, y2",
        "COCO's boxes are x, y, width, height: subtract the first corner from the second",
    ),
    "over_border": Kind(
        "boxes more than a pixel over the border, clipped in training", "", ALWAYS_WARNING
    ),
    "no_boxes": Kind("splits without a usable box", "annotate them, or pass the right file"),
    "no_examples": Kind(
        "classes without a box", "", ALWAYS_WARNING
    ),
    "never_trained": Kind(
        "classes to be found in val that train has no box of",
        "split anew (`tools/data.py split`), annotate them, or take the class out",
    ),
    "empty_image": Kind("images without annotation", "", ALWAYS_WARNING),
    "listed_twice": Kind("image files listed more than once", "list each file once"),
    "missing": Kind("images that are not there", "add the files, or delete their records"),
    "unreadable": Kind("images that cannot be read", "replace the files, or delete their records"),
    "wrong_size": Kind(
        "images of another size than recorded", "correct width and height and check the boxes"
    ),
    "duplicate": Kind("images with the content of another", "", ALWAYS_WARNING),
    "no_mask": Kind("images without mask, left out", "name the mask as the image", MOSTLY_FINE),
    "no_image": Kind("masks without image, left out", "name the mask as the image", MOSTLY_FINE),
    "bad_mask": Kind("masks that cannot be read", "write them anew, or delete them and the images"),
    "lossy_mask": Kind(
        "masks that are JPEG inside, which changes values", "write them as PNG from the source"
    ),
    "mask_size": Kind(
        "masks of another size than their photo",
        "resize the mask (nearest neighbour), or turn the photo as its EXIF tag says and save it",
    ),
    "mask_value": Kind(
        "masks with values that are neither a class nor ignored",
        "correct the masks, or name the classes of all values (docs/data.md)",
    ),
    "zero_label": Kind(
        "sets whose value 0 is read the wrong way",
        "correct reduce_zero_label in the config or the class file, or leave it out",
    ),
    "binary_255": Kind(
        "splits of masks with 0 and 255 only", "write 1 for 255, which is read as 'no class'"
    ),
    "no_labels": Kind(
        "splits without a pixel of any class", "annotate them, or pass the right masks"
    ),
    "no_pixels": Kind("classes without a pixel", "", ALWAYS_WARNING),
    "untrained": Kind(
        "classes to be found in val that train has no pixel of",
        "divide the set anew, annotate them, or take the class out",
    ),
    "all_ignored": Kind("images that are ignored as a whole", "", ALWAYS_WARNING),
    "mostly_ignored": Kind("splits that are ignored for the most part", "", ALWAYS_WARNING),
    "left_out": Kind("files that are not read", "", ALWAYS_WARNING),
    "no_photo": Kind("classes without an image", "", ALWAYS_WARNING),
    "one_photo": Kind("classes with a single image", "", ALWAYS_WARNING),
    "untaught": Kind(
        "classes to be found in val that train has no image of",
        "divide the set anew, or take the class out",
    ),
    "imbalance": Kind(
        "splits with more than ten times as many images of one class as of another",
        "",
        ALWAYS_WARNING,
    ),
    "small_image": Kind(
        "images with a side below half of the network's input", "", ALWAYS_WARNING
    ),
    "two_labels": Kind(
        "images that are in two classes", "delete them from the wrong one", FEW
    ),
    "leak": Kind("validation images that are in train too", "take them out of one split", RARE),
}  # fmt: skip


@dataclass
class Finding:
    """All records of one kind in one split.

    Attributes:
        kind: Key of `KINDS`.
        split: "train" or "val".
        total: Records of the sort that were looked at; the tolerance is a share of it.
        tolerance: See `Kind`; a split whose loader skips bad images has another one.
        count: Records found.
        examples: One line for each of the first `NUM_KEPT`: file, record, what is wrong.
    """

    kind: str
    split: str
    total: int
    tolerance: float
    count: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_error(self) -> bool:
        """Whether a training must not start."""
        return self.count > self.tolerance * self.total

    @property
    def fix(self) -> str:
        """What to do about it."""
        return KINDS[self.kind].fix

    def describe(self, num_examples: int) -> list[str]:
        """Return lines for people: how many of what, the fix, the first records."""
        level = "error" if self.is_error else "warning"
        fix = f"; {self.fix}" if self.fix else ""
        head = (
            f"{level:<8} {self.split}: {KINDS[self.kind].title}: {self.count} of {self.total}{fix}"
        )
        shown = self.examples[: max(1, num_examples)]
        left = self.count - len(shown)
        if all(len(example) <= SHORT for example in shown):  # names, not sentences
            return [f"{head} ({', '.join(shown)}{f' and {left} more' if left else ''})"]
        return [head, *(f"  {example}" for example in shown)] + (
            [f"  and {left} more"] * bool(left)
        )


class Findings:
    """The findings of all splits, in the order of their first record."""

    def __init__(self, found: Iterable[dict[str, Any]] = ()) -> None:
        self._found = {(f["kind"], f["split"]): Finding(**f) for f in found}

    def add(
        self, kind: str, split: str, total: int, example: str, tolerance: float | None = None
    ) -> None:
        """Note one record; `tolerance` replaces that of the kind."""
        if tolerance is None:
            tolerance = KINDS[kind].tolerance
        finding = self._found.setdefault((kind, split), Finding(kind, split, total, tolerance))
        finding.count += 1
        if len(finding.examples) < NUM_KEPT:
            finding.examples.append(example)

    @property
    def errors(self) -> list[Finding]:
        """What stops a training."""
        return [finding for finding in self._found.values() if finding.is_error]

    @property
    def warnings(self) -> list[Finding]:
        """What is odd, but does not stop a training."""
        return [finding for finding in self._found.values() if not finding.is_error]

    def describe(self, num_examples: int = NUM_NAMED) -> list[str]:
        """Return lines for people, errors first."""
        found = self.errors + self.warnings
        return [line for finding in found for line in finding.describe(num_examples)]

    def as_list(self) -> list[dict[str, Any]]:
        """Return what the constructor takes, fit for JSON."""
        return [asdict(finding) for finding in self._found.values()]
