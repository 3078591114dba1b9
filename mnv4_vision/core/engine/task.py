"""What a task (detection, segmentation, ...) adds to the common tools: a contract."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.runner import Runner
from mmengine.utils import get_object_from_string

from mnv4_vision.core.errors import InputError

__all__ = [
    "Task",
    "build_task",
    "datasets_of",
    "pipelines_of",
    "repeat",
    "replace_value",
    "step_name",
]

SPLITS = ("train", "val", "test")
OVERFIT_STEPS = 20


class Task(ABC):
    """Edits a config for one task; every config names its own as `task=dict(type=...)`.

    Attributes:
        own_keys: Top-level keys of a config that the task reads and takes out in `follow_model`.
        checkpoint: The weights of a test or prediction; None in training.
    """

    own_keys: frozenset[str] = frozenset()
    checkpoint: Path | None = None

    @abstractmethod
    def use_data_root(self, cfg: Config, root: Path, splits: tuple[str, ...] = ()) -> None:
        """Point every data loader at `root`; classes found there reach head and metric.

        Only what `splits` read must be there.
        """

    @abstractmethod
    def overfit(self, cfg: Config, num_images: int) -> None:
        """Train and validate on the same first images, without augmentation."""

    @abstractmethod
    def make_demo(self, root: Path) -> None:
        """Generate the demo data set below `root` unless it is there already."""

    @abstractmethod
    def check_data(self, cfg: Config, splits: tuple[str, ...]) -> None:
        """Raise `InputError` for what would fail later in the data of these splits."""

    @abstractmethod
    def use_classes(self, cfg: Config, classes: Sequence[str]) -> None:
        """Give the model in `cfg` these classes."""

    @abstractmethod
    def predict(
        self,
        cfg: Config,
        checkpoint: Path,
        files: Sequence[Path],
        out: Path,
        *,
        device: str,
        score_threshold: float,
    ) -> None:
        """Run the model of `checkpoint` on image files; write pictures and JSON below `out`."""

    def follow_model(self, cfg: Config) -> None:  # noqa: B027
        """Set what follows from the backbone and the image size, once both are final."""

    def report_writer(
        self, runner: Runner, checkpoint: Path
    ) -> Callable[[Path, Mapping[str, Any]], None]:
        """Return what writes a page about a test, given its path and the test's metrics.

        Raises:
            InputError: The task, or the config's metric, has no report.
        """
        raise InputError(f"--report: {type(self).__name__} has no report")

    def set_image_size(self, cfg: Config, size: int | tuple[int, int]) -> None:
        """Replace `image_size`, in pixels `(width, height)`, in every pipeline of `cfg`."""
        new = (size, size) if isinstance(size, int) else tuple(size)
        if len(new) != 2 or not all(isinstance(side, int) and side > 0 for side in new):
            raise InputError(f"image_size={size!r}; it takes (width, height) in pixels")
        old = tuple(cfg.image_size)
        for pipeline in pipelines_of(cfg):
            replace_value(pipeline, old, new)
        cfg.image_size = new


def build_task(cfg: ConfigDict) -> Task:
    """Make the task that `cfg`, a config's `task=dict(type=...)`, names by class or dotted path."""
    kind = cfg.type
    return (get_object_from_string(kind) if isinstance(kind, str) else kind)()


def datasets_of(cfg: Config, splits: tuple[str, ...] = SPLITS) -> Iterator[ConfigDict]:
    """Yield the innermost data set of each data loader (wrappers such as repeats opened)."""
    for split in splits:
        loader = cfg.get(f"{split}_dataloader")
        dataset = loader.dataset if loader else None
        while dataset is not None and "dataset" in dataset:
            dataset = dataset.dataset
        if dataset is not None:
            yield dataset


def pipelines_of(cfg: Config) -> Iterator[list]:
    """Yield every pipeline of every data loader, wrapped data sets' included, and of hooks."""
    for split in SPLITS:
        dataset = (cfg.get(f"{split}_dataloader") or {}).get("dataset")
        while dataset is not None:
            if "pipeline" in dataset:
                yield dataset.pipeline
            dataset = dataset.get("dataset")
    for hook in cfg.get("custom_hooks") or []:
        if "pipeline" in hook:
            yield hook.pipeline


def repeat(cfg: Config, dataset: ConfigDict, num_images: int) -> None:
    """Train on the first `num_images` of `dataset`, repeated to epochs of `OVERFIT_STEPS` steps."""
    # Batch norm has no statistics of one image on a map of one pixel.
    batch = max(2, min(cfg.train_dataloader.batch_size, num_images))
    cfg.train_dataloader.batch_size = batch
    times = ceil(OVERFIT_STEPS * batch / num_images)
    cfg.train_dataloader.dataset = dict(type="RepeatDataset", dataset=dataset, times=times)


def step_name(step: ConfigDict) -> str:
    """Return the class name of a pipeline step, whether the config holds the class or its path."""
    kind = step["type"]
    return kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__


def replace_value(tree: Any, old: Any, new: Any) -> None:
    """Replace, in place and at any depth, every value of `tree` that equals `old`."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        if isinstance(value, list | tuple) and tuple(value) == old:
            tree[key] = new
        elif isinstance(value, dict | list):
            replace_value(value, old, new)
