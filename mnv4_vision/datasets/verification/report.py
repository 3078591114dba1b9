"""What a verification says, whatever the task: counts of each split, findings, notes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.verification.findings import NUM_NAMED, Findings

__all__ = ["Report", "Summary"]


class Summary(Protocol):
    """The counts of one split, which go through JSON and back."""

    def as_dict(self) -> dict[str, Any]:
        """Return the counts, fit for JSON."""

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Summary":
        """Undo `as_dict`, also after a way through JSON."""


@dataclass
class Report(ABC):
    """What a data set holds and what is wrong with it.

    Attributes:
        summaries: Per split.
        findings: Errors and warnings.
        notes: Other things to say, such as a cache that cannot be written.
    """

    summary_type: ClassVar[type[Summary]]

    summaries: dict[str, Any]
    findings: Findings
    notes: list[str] = field(default_factory=list)

    @abstractmethod
    def describe_counts(self) -> str:
        """Return the printed counts of all splits."""

    def describe(self, num_examples: int = NUM_NAMED) -> str:
        """Return the counts, the findings with some examples each, and the notes."""
        lines = [self.describe_counts(), *self.findings.describe(num_examples)]
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
