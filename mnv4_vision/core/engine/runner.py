"""mmengine's runner with what every run of ours needs."""

import atexit
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner as MMEngineRunner
from mmengine.runner.base_loop import BaseLoop
from torch import nn

from mnv4_vision.core.engine.accumulation import effective_batch
from mnv4_vision.core.engine.config_errors import naming_config
from mnv4_vision.core.engine.interrupt import InterruptHook
from mnv4_vision.core.engine.loop import TrainLoop, wrappers_of
from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError

__all__ = ["Runner"]


class Runner(MMEngineRunner):
    """mmengine's runner with the model in channels-last memory and a quiet start.

    Depthwise convolutions are twice as fast in channels-last on CPUs, and tensor cores want it.
    """

    @classmethod
    def from_cfg(cls, cfg: Config) -> "Runner":
        """Build the runner; what its own building refuses is said with the config's name."""
        with naming_config(cfg.filename):
            return super().from_cfg(cfg)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks; before the run they may still refuse what the config gives them."""
        if fn_name != "before_run":
            return super().call_hook(fn_name, **kwargs)
        with naming_config(self.cfg.filename):
            return super().call_hook(fn_name, **kwargs)

    def setup_env(self, env_cfg: dict) -> None:
        """Join the process group; without CUDA by gloo."""
        if self.distributed and not is_distributed() and not torch.cuda.is_available():
            # mmengine 0.10 sets a CUDA device whatever the backend, and fails on CPU-only torch.
            torch.distributed.init_process_group("gloo")
        super().setup_env(env_cfg)
        if is_distributed():
            atexit.register(_leave_process_group)

    def train(self) -> nn.Module:
        """Train; whatever ends it, the process gets its signal handlers back."""
        try:
            return super().train()
        finally:
            for hook in self.hooks:
                if isinstance(hook, InterruptHook):
                    hook.release()

    def build_train_loop(self, loop: BaseLoop | dict) -> BaseLoop:
        """Build the loop; by epochs it is our `TrainLoop`."""
        if isinstance(loop, dict) and "type" in loop and step_name(loop) == "EpochBasedTrainLoop":
            loop = {**loop, "type": TrainLoop}
        with naming_config(self.cfg.filename):
            return super().build_train_loop(loop)

    def build_optim_wrapper(self, optim_wrapper: Any) -> OptimWrapper | OptimWrapperDict:
        """Build the optimiser; our loop counts what it accumulates, epoch by epoch."""
        with naming_config(self.cfg.filename):
            wrapper = super().build_optim_wrapper(optim_wrapper)
        if isinstance(self._train_loop, TrainLoop):
            for single in wrappers_of(wrapper):
                single.initialize_count_status = lambda *counts: None
        return wrapper

    def scale_lr(self, optim_wrapper: OptimWrapper, auto_scale_lr: dict | None = None) -> None:
        """Scale the learning rates from the stated batch size to the effective one."""
        if auto_scale_lr is None or not auto_scale_lr.get("enable", False):
            return
        base = auto_scale_lr["base_batch_size"]
        for wrapper in wrappers_of(optim_wrapper):
            batch = effective_batch(self, wrapper)
            groups = wrapper.param_groups  # one more than the optimiser's: `base_lr` in the log
            stated = groups[0]["lr"]
            for group in groups:
                group["lr"] *= batch.size / base
            self.logger.info(
                f"effective batch {batch}; learning rate {groups[0]['lr']:.4g} "
                f"(config: {stated:.4g} at batch {base})"
            )

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """Move the model to its device, in channels-last memory, and wrap it for DDP."""
        if self.cfg.get("sync_bn") and not torch.cuda.is_available():
            raise InputError("sync_bn needs GPUs: leave it out, or use a larger --batch-size")
        if self.distributed and not torch.cuda.is_available():
            # mmengine would give DDP a device id, which a model on the CPU does not have.
            model_wrapper_cfg = dict(model_wrapper_cfg or {}, device_ids=None)
        if (self.cfg.get("optim_wrapper") or {}).get("type") != "Bf16OptimWrapper":
            # torch 2.13's backward of channels-last bf16 convolutions on CPUs gives NaN at times.
            model = model.to(memory_format=torch.channels_last)
        return super().wrap_model(model_wrapper_cfg, model)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """Build the schedulers, without those shorter than a step: a warm-up on tiny data."""
        if isinstance(scheduler, list):
            steps = len(self.train_dataloader)
            scheduler = [s for s in scheduler if not _shorter_than_a_step(s, steps)]
        with naming_config(self.cfg.filename):
            return super().build_param_scheduler(scheduler)

    def _log_env(self, env_cfg: dict) -> None:
        """Write the config beside the log instead of printing its hundreds of lines."""
        self.logger.info(f"work_dir {self.work_dir} (resolved config, log, metrics, curves)")

    def dump_config(self) -> None:
        """Write the resolved config as `config.py`, the same name whatever the run."""
        if self.rank == 0:
            self.cfg.dump(Path(self.work_dir) / "config.py")


def _leave_process_group() -> None:
    """Stop gloo's threads, which at times abort a process that ends with them running."""
    if is_distributed():
        torch.distributed.destroy_process_group()


def _shorter_than_a_step(scheduler: Any, steps_per_epoch: int) -> bool:
    if not isinstance(scheduler, dict) or not scheduler.get("convert_to_iter_based"):
        return False
    begin, end = (int(scheduler[key] * steps_per_epoch) for key in ("begin", "end"))
    return end - begin < 2  # a warm-up of one step would stay at its start
