"""Mosaic and mix-up end before the training does (YOLOX, section 2.1)."""

from math import ceil

from mmdet.datasets import MultiImageMixDataset
from mmdet.registry import HOOKS, TRANSFORMS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mnv4_vision.core.errors import InputError

__all__ = ["CloseMosaicHook"]


@HOOKS.register_module()
class CloseMosaicHook(Hook):
    """Gives a `MultiImageMixDataset` another pipeline for the last epochs.

    mmdet's hooks know transforms by name, where these configs have classes, or switch the pipeline
    of plain data sets only; they count epochs, which `--epochs` would have to change too.

    Args:
        share: Share of the epochs without mosaic, rounded up.
        pipeline: What follows the loading steps of the inner data set in these epochs.
    """

    def __init__(self, share: float, pipeline: list[dict]) -> None:
        if not 0 <= share <= 1:
            raise InputError(f"CloseMosaicHook: share is {share}, allowed are 0 to 1")
        self.share = share
        self.pipeline = pipeline
        self._closed = False

    def before_train_epoch(self, runner: Runner) -> None:
        """Switch as soon as it is time, in a resumed training too."""
        dataset = runner.train_dataloader.dataset
        open_epochs = runner.max_epochs - ceil(self.share * runner.max_epochs)
        # `--overfit` leaves the mixing away.
        if self._closed or runner.epoch < open_epochs:
            return
        self._closed = True
        if not isinstance(dataset, MultiImageMixDataset):
            return
        runner.logger.info(f"epoch {runner.epoch + 1}: mosaic and mix-up end here")
        dataset.pipeline = [TRANSFORMS.build(step) for step in self.pipeline]
        dataset.pipeline_types = [step["type"] for step in self.pipeline]
        # Persistent workers hold copies of the old pipeline.
        runner.train_dataloader._iterator = None
