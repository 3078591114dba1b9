"""What loading did: matched, missing, unexpected and mismatched keys, counted and listed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from mmengine.logging import print_log
from torch import Tensor

from mnv4_vision.core.errors import join_names

__all__ = ["LoadReport", "compare"]

_MAX_LISTED = 8


@dataclass(frozen=True)
class LoadReport:
    """Result of loading weights into a module; every field lists keys of the module's layout.

    Attributes:
        name: What was asked for.
        source: File that was read.
        matched: Loaded.
        missing: In the module and not in the file: keep their initial values.
        unexpected: In the file, for a part that the module has, and not in the module.
        mismatched: In both with different shapes: keep their initial values.
        unused: In the file, for parts that the module does not have (classifier, neck, head, later
            stages); expected.
    """

    name: str
    source: str
    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()
    unused: tuple[str, ...] = field(default=(), repr=False)

    @property
    def num_expected(self) -> int:
        """Tensors that the module has."""
        return len(self.matched) + len(self.missing) + len(self.mismatched)

    @property
    def fraction(self) -> float:
        """Share of the module's tensors that were loaded."""
        return len(self.matched) / max(self.num_expected, 1)

    @property
    def is_clean(self) -> bool:
        """Whether every tensor of the module was loaded and none was left over in its parts."""
        return not (self.missing or self.unexpected or self.mismatched)

    def counts(self) -> str:
        """How many tensors were loaded, and how many of them are not as they should be."""
        text = f"{len(self.matched)} of {self.num_expected} tensors match"
        for word in ("missing", "unexpected", "mismatched"):
            if keys := getattr(self, word):
                text += f", {len(keys)} {word}"
        return text

    def summary(self) -> str:
        """One line for people."""
        line = f"pretrained {self.name}: {self.counts()}"
        if self.unused:
            parts = sorted({_part(key) for key in self.unused})
            line += f", {len(self.unused)} unused ({', '.join(parts)})"
        return line

    def details(self) -> str:
        """The keys that are not as they should be, a few of each kind; empty when all is well."""
        lines = []
        for word in ("missing", "unexpected", "mismatched"):
            if keys := getattr(self, word):
                lines.append(f"  {word}: {join_names(keys, _MAX_LISTED)}")
        return "\n".join(lines)

    def log(self) -> None:
        """Print the summary, and the details when something is off, through mmengine's logger."""
        print_log(self.summary(), logger="current", level=logging.INFO)
        if not self.is_clean:
            message = f"{self.source} does not fit exactly:\n{self.details()}"
            print_log(message, logger="current", level=logging.WARNING)


def compare(
    name: str,
    source: str,
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
) -> LoadReport:
    """Compare a module's `state_dict` with what a file holds in the same layout.

    Args:
        name: What was asked for.
        source: File that was read.
        expected: The module's tensors.
        found: The file's tensors, in the module's layout.
    """
    parts = {_part(key) for key in expected}
    keys = [key for key in expected if not _is_counter(key)]
    extra = [key for key in found if key not in expected and not _is_counter(key)]
    return LoadReport(
        name=name,
        source=source,
        matched=tuple(k for k in keys if k in found and found[k].shape == expected[k].shape),
        missing=tuple(k for k in keys if k not in found),
        mismatched=tuple(
            f"{k} {tuple(found[k].shape)} for {tuple(expected[k].shape)}"
            for k in keys
            if k in found and found[k].shape != expected[k].shape
        ),
        unexpected=tuple(k for k in extra if _part(k) in parts),
        unused=tuple(k for k in extra if _part(k) not in parts),
    )


def _is_counter(key: str) -> bool:
    # BN counts its batches; only training with momentum=None reads it and many files lack it.
    return key.endswith("num_batches_tracked")


def _part(key: str) -> str:
    """`stages.3` for a stage, the first name for anything else."""
    names = key.removeprefix("backbone.").split(".")
    return ".".join(names[:2]) if names[0] == "stages" else names[0]
