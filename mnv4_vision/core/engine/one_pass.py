"""Metrics from sums over the images: one pass, memory that does not grow with the data set."""

from abc import ABC, abstractmethod
from typing import Any

from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric

__all__ = ["OnePassMetric"]


class OnePassMetric(BaseMetric, ABC):
    """Adds the images of each process to a tally, and the tallies of all processes to each other.

    Of several processes' images each counts once: mmengine's sampler repeats images so that all
    have equally many, and the repeated ones are left out. A tally has `merge(other)`.

    Args:
        collect_device: "cpu" or "gpu", how ranks exchange results.
        collect_dir: Shared folder for that exchange; a temporary one by default.
        prefix: Prefix of the metric names.
    """

    def __init__(
        self,
        *,
        collect_device: str = "cpu",
        collect_dir: str | None = None,
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self._start()

    @abstractmethod
    def new_tally(self) -> Any:
        """Return a tally without images; `dataset_meta` is known by now."""

    @abstractmethod
    def add(self, tally: Any, image: Any, position: int) -> None:
        """Add what was taken of an image, at its place in the data set, to a tally."""

    @abstractmethod
    def score(self, total: Any) -> dict[str, float]:
        """Return the metrics of the tally of all images."""

    def take(self, image: Any) -> None:
        """Take the next image of this process, in the sampler's order; `process` calls this."""
        position = get_rank() + get_world_size() * self._count
        self._count += 1
        self._commit()
        self._latest = image, position

    def evaluate(self, size: int) -> dict[str, float]:
        """Sum up over all processes.

        Args:
            size: Images in the data set; what a sampler adds to them is left out.
        """
        # Of a sampler's rounds over the processes, only the last one can reach beyond the set.
        if self._latest is not None and self._latest[1] < size:
            self._commit()
        self.results = [self._own_tally()]
        self._start()
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Score the sum of the processes' tallies."""
        total, *others = results
        for tally in others:
            total.merge(tally)
        return self.score(total)

    def _start(self) -> None:
        self._tally: Any = None
        self._count = 0
        # The latest image waits: only `evaluate` knows whether it is a repeated one.
        self._latest: tuple[Any, int] | None = None

    def _own_tally(self) -> Any:
        if self._tally is None:
            self._tally = self.new_tally()
        return self._tally

    def _commit(self) -> None:
        if self._latest is not None:
            latest, self._latest = self._latest, None
            self.add(self._own_tally(), *latest)
