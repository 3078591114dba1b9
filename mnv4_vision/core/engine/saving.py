"""Checkpoints that a kill at any moment leaves whole, and the newest of them to resume from."""

from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mnv4_vision.core.files import write_atomic
from mnv4_vision.core.torch_file import is_intact

__all__ = ["INTERRUPTED", "AtomicCheckpointHook", "AtomicLocalBackend", "find_resume"]

# A file that an interrupted epoch left; the next regular checkpoint replaces it.
INTERRUPTED = "interrupted_iter_{}.pth"


class AtomicLocalBackend(LocalBackend):
    """mmengine's local files, written beside their place and renamed."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write `obj` to `filepath`, whole or not at all."""
        write_atomic(filepath, obj)


register_backend("atomic_local", AtomicLocalBackend, force=True)


class _Keeping:
    """A file backend that puts removals off: it notes them in `removed`."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.removed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self.removed.append(path)


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's `CheckpointHook`, safe against a kill at any moment.

    A checkpoint appears under its name only when it is complete, and an outdated one is deleted
    only after that: with `max_keep_ckpts=1`, too, there is always one to resume from, and always a
    best one.

    Args:
        **kwargs: As for `mmengine.hooks.CheckpointHook`.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("backend_args", {"backend": "atomic_local"})
        super().__init__(**kwargs)

    def before_train(self, runner: Runner) -> None:
        """Remove what a run that was killed while it saved left half-written."""
        super().before_train(runner)
        if is_main_process():
            for leftover in Path(self.out_dir).glob(".*.pth.*.tmp"):
                leftover.unlink(missing_ok=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        outdated = self._keep(runner, step) if self.max_keep_ckpts > 0 else []
        limit, self.max_keep_ckpts = self.max_keep_ckpts, -1  # mmengine would delete first
        try:
            super()._save_checkpoint_with_step(runner, step, meta)
        finally:
            self.max_keep_ckpts = limit
        if is_main_process():
            for old in outdated:
                path = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old))
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)
            for interrupted in Path(self.out_dir).glob(INTERRUPTED.format("*")):
                interrupted.unlink()

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        backend, self.file_backend = self.file_backend, _Keeping(self.file_backend)
        try:
            super()._save_best_checkpoint(runner, metrics)  # mmengine would delete first
        finally:
            outdated, self.file_backend = self.file_backend.removed, backend
        for path in outdated:
            if path not in self._best_paths() and backend.isfile(path):
                backend.remove(path)

    def _best_paths(self) -> list[str | None]:
        if len(self.key_indicators) == 1:
            return [self.best_ckpt_path]
        return list(self.best_ckpt_path_dict.values())

    def _keep(self, runner: Runner, step: int) -> list[int]:
        """Note `step` as kept; return the steps that are then too many."""
        steps = [kept for kept in self.keep_ckpt_ids if kept != step] + [step]
        kept = steps[-self.max_keep_ckpts :]
        self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        runner.message_hub.update_info("keep_ckpt_ids", kept)
        return steps[: -self.max_keep_ckpts]


def find_resume(work_dir: str | Path) -> Path | None:
    """Return the newest intact checkpoint of a run, or None where there is none.

    The one that `last_checkpoint` names goes first, then the others by age. Best checkpoints hold
    no optimiser and do not count.
    """
    work_dir = Path(work_dir)
    files = [file for file in work_dir.glob("*.pth") if not file.name.startswith("best_")]
    files.sort(key=lambda file: file.stat().st_mtime_ns, reverse=True)
    pointer = work_dir / "last_checkpoint"
    if pointer.is_file() and (text := pointer.read_text().strip()):
        last = Path(text)
        # A work_dir that was moved: the pointer holds an absolute path of old.
        files.insert(0, last if last.is_file() else work_dir / last.name)
    return next((file for file in files if is_intact(file)), None)
