"""What an evaluation keeps: sums over the images, and the few surest mistakes."""

import heapq
from dataclasses import dataclass, field

import numpy as np

from mnv4_vision.cls.evaluation.calibration import Calibration

__all__ = ["TOP", "Outcome", "Tally"]

TOP = 5


@dataclass(frozen=True)
class Outcome:
    """What a model made of an image.

    Attributes:
        file: path of the photo.
        truth: the annotated class.
        prediction: the class of the largest probability, the first of equal ones.
        rank: how many classes come before the annotated one: 0 where the model is right.
        confidence: the largest probability.
        truth_score: the annotated class's.
    """

    file: str
    truth: int
    prediction: int
    rank: int
    confidence: float
    truth_score: float

    @classmethod
    def of(cls, file: str, truth: int, scores: np.ndarray) -> "Outcome":
        """Judge probabilities `(K,)`; of equal ones the lower class number comes first."""
        own = scores[truth]
        rank = np.count_nonzero(scores > own) + np.count_nonzero(scores[:truth] == own)
        prediction = int(scores.argmax())
        return cls(file, truth, prediction, int(rank), float(scores[prediction]), float(own))


@dataclass
class Tally:
    """Sums that do not grow with the number of images.

    Attributes:
        num_classes: K.
        num_worst: how many of the surest mistakes to keep.
        confusion: `(K, K)` images, rows the annotated class, columns the predicted one.
        num_in_top: images whose class is among the `TOP` most probable ones.
        calibration: how sure, and how often right.
    """

    num_classes: int
    num_worst: int
    confusion: np.ndarray = field(init=False)
    num_in_top: int = 0
    calibration: Calibration = field(default_factory=Calibration)
    # A heap of (confidence, -position, outcome): what goes first is the least sure, then the last.
    _worst: list[tuple[float, int, Outcome]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start at zero."""
        self.confusion = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)

    def add(self, outcome: Outcome, position: int) -> None:
        """Add the image at a place in the data set."""
        right = outcome.rank == 0
        self.confusion[outcome.truth, outcome.prediction] += 1
        self.num_in_top += outcome.rank < TOP
        self.calibration.add(outcome.confidence, right=right)
        if not right:
            self._push((outcome.confidence, -position, outcome))

    def merge(self, other: "Tally") -> None:
        """Add the images of another tally."""
        self.confusion += other.confusion
        self.num_in_top += other.num_in_top
        self.calibration.merge(other.calibration)
        for entry in other._worst:
            self._push(entry)

    @property
    def worst(self) -> list[Outcome]:
        """The mistakes that the model is surest of, the surest first, then by position."""
        return [outcome for *_, outcome in sorted(self._worst, key=lambda e: e[:2], reverse=True)]

    def _push(self, entry: tuple[float, int, Outcome]) -> None:
        heapq.heappush(self._worst, entry)
        if len(self._worst) > self.num_worst:
            heapq.heappop(self._worst)
