"""What an evaluation keeps: sums over the images, and the few worst of them."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mnv4_vision.core.confusion import largest_confusions
from mnv4_vision.seg.evaluation.confusion import class_iou, confusion_matrix

__all__ = ["Tally", "WorstImage"]

KEPT_SIDE_PX = 640
NUM_CONFUSIONS = 2


@dataclass(frozen=True)
class WorstImage:
    """An image that was segmented badly.

    Attributes:
        iou: mean IoU of the classes that are annotated or predicted in it.
        position: its place in the data set.
        file: path of the photo.
        truth: `(h, w)` uint8 labels, thinned out to at most `KEPT_SIDE_PX` pixels a side.
        prediction: `(h, w)` uint8 labels, likewise.
        confusions: the commonest mistakes, `(annotated, predicted, share of the pixels)`.
    """

    iou: float
    position: int
    file: str
    truth: np.ndarray
    prediction: np.ndarray
    confusions: tuple[tuple[int, int, float], ...]

    def __lt__(self, other: "WorstImage") -> bool:
        """Order for a heap whose smallest is the best of the worst."""
        return (-self.iou, -self.position) < (-other.iou, -other.position)


@dataclass
class Tally:
    """Sums that do not grow with the number of images.

    Attributes:
        num_classes: K.
        num_worst: how many of the worst images to keep.
        boundary: `(truth, prediction, K) -> (K,)` boundary F-scores of an image; None: none.
        confusion: `(K, K)` pixels.
        boundary_sums: `(2, K)`, the sum of the classes' boundary F-scores, and of how many images.
        num_images: images added.
        worst: heap of the worst images, the best of them first.
    """

    num_classes: int
    num_worst: int
    boundary: Callable[[np.ndarray, np.ndarray, int], np.ndarray] | None
    confusion: np.ndarray = field(init=False)
    boundary_sums: np.ndarray = field(init=False)
    num_images: int = 0
    worst: list[WorstImage] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start at zero."""
        self.confusion = np.zeros((self.num_classes, self.num_classes), dtype=np.int64)
        self.boundary_sums = np.zeros((2, self.num_classes))

    def add(self, truth: np.ndarray, prediction: np.ndarray, position: int, file: str) -> None:
        """Add an image; its label maps are `(H, W)` uint8, 255 ignored."""
        confusion = confusion_matrix(truth, prediction, self.num_classes)
        self.confusion += confusion
        self.num_images += 1
        if self.boundary is not None:
            scores = self.boundary(truth, prediction, self.num_classes)
            self.boundary_sums += np.stack([np.nan_to_num(scores), ~np.isnan(scores)])
        iou = class_iou(confusion)
        if self.num_worst and not np.isnan(iou).all():
            self._keep(float(np.nanmean(iou)), position, file, truth, prediction, confusion)

    def merge(self, other: "Tally") -> None:
        """Add the images of another tally."""
        self.confusion += other.confusion
        self.boundary_sums += other.boundary_sums
        self.num_images += other.num_images
        for image in other.worst:
            self._push(image)

    @property
    def boundary_f(self) -> np.ndarray | None:
        """Mean over the images of each class's boundary F-score, NaN where it never had one."""
        if self.boundary is None:
            return None
        total, count = self.boundary_sums
        return np.divide(total, count, out=np.full(self.num_classes, np.nan), where=count > 0)

    def _keep(
        self,
        iou: float,
        position: int,
        file: str,
        truth: np.ndarray,
        prediction: np.ndarray,
        confusion: np.ndarray,
    ) -> None:
        full = len(self.worst) == self.num_worst
        if full and (iou, position) > (self.worst[0].iou, self.worst[0].position):
            return
        step = -(-max(truth.shape) // KEPT_SIDE_PX)
        maps = (np.ascontiguousarray(labels[::step, ::step]) for labels in (truth, prediction))
        shares = confusion / confusion.sum()
        pairs = largest_confusions(confusion, NUM_CONFUSIONS)
        confusions = tuple((*pair, float(shares[pair])) for pair in pairs)
        self._push(WorstImage(iou, position, file, *maps, confusions))

    def _push(self, image: WorstImage) -> None:
        heapq.heappush(self.worst, image)
        if len(self.worst) > self.num_worst:
            heapq.heappop(self.worst)
