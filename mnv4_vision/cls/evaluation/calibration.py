"""Calibration: is the model right as often as it is sure?

Expected calibration error and reliability diagram of Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017 (arXiv 1706.04599), equations 2 to 5, with the 15 bins of its tables.
"""

from dataclasses import dataclass, field

import numpy as np

from mnv4_vision.core.confusion import ratio

__all__ = ["NUM_BINS", "Calibration"]

NUM_BINS = 15
EDGES = np.linspace(0, 1, NUM_BINS + 1)


@dataclass
class Calibration:
    """Sums over the images whose confidence, the largest probability, is in the same bin.

    Bin m is `(m / 15, (m + 1) / 15]`; a confidence of 0 is in the first.

    Attributes:
        images: `(15,)` images of each bin.
        right: `(15,)` how many of them are right.
        confidence: `(15,)` sum of their confidences.
    """

    images: np.ndarray = field(default_factory=lambda: np.zeros(NUM_BINS, np.int64))
    right: np.ndarray = field(default_factory=lambda: np.zeros(NUM_BINS, np.int64))
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(NUM_BINS))

    def add(self, confidence: float, *, right: bool) -> None:
        """Add an image."""
        number = int(np.searchsorted(EDGES[1:-1], confidence))
        self.images[number] += 1
        self.right[number] += right
        self.confidence[number] += confidence

    def merge(self, other: "Calibration") -> None:
        """Add the images of another one."""
        self.images += other.images
        self.right += other.right
        self.confidence += other.confidence

    @property
    def error(self) -> float:
        """Mean over the images of |accuracy - mean confidence| of their bins; NaN without any."""
        total = self.images.sum()
        gaps = np.abs(self.right - self.confidence).sum()
        return float(gaps / total) if total else float("nan")

    @property
    def accuracy(self) -> np.ndarray:
        """Share of each bin's images that are right `(15,)`, NaN where there are none."""
        return ratio(self.right, self.images)

    @property
    def mean_confidence(self) -> np.ndarray:
        """Mean confidence of each bin's images `(15,)`, NaN where there are none."""
        return ratio(self.confidence, self.images)
