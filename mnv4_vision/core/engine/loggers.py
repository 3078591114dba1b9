"""Experiment trackers beside the log: TensorBoard, Weights & Biases, MLflow.

They are mmengine's visualisation backends; added is that a resumed run goes on in its own record.
"""

import importlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process
from mmengine.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend

from mnv4_vision.core.engine.task import step_name
from mnv4_vision.core.errors import InputError, did_you_mean
from mnv4_vision.core.files import write_atomic

__all__ = ["LOGGERS", "MlflowBackend", "add_loggers", "connect_loggers"]

# Name on the command line: backend, module it needs, how to get it.
LOGGERS = {
    "tensorboard": ("TensorboardVisBackend", "tensorboard", "pip install tensorboard"),
    "wandb": ("WandbVisBackend", "wandb", "pip install -e .[wandb]"),
    "mlflow": ("MlflowBackend", "mlflow", "pip install -e .[mlflow]"),
}
RUN_IDS = "run_ids.json"


def add_loggers(cfg: Config, names: Sequence[str]) -> None:
    """Add the trackers `names` to the visualiser of `cfg`."""
    backends = cfg.visualizer.vis_backends
    for name in names:
        if name not in LOGGERS:
            hint = did_you_mean(name, LOGGERS)
            raise InputError(f"--log {name}: known are {', '.join(LOGGERS)}{hint}")
        backend, module, install = LOGGERS[name]
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise InputError(f"--log {name} needs the package {module}: {install}") from error
        if backend not in [step_name(b) for b in backends]:
            backends.append(ConfigDict(type=backend))


def connect_loggers(cfg: Config, resume: bool) -> None:
    """Give the trackers in `cfg` their folder and run: the earlier one for a resumed training.

    The ids are kept in `run_ids.json` of the work dir.
    """
    work_dir = Path(cfg.work_dir)
    file = work_dir / RUN_IDS
    ids = json.loads(file.read_text()) if resume and file.is_file() else {}
    for backend in cfg.visualizer.vis_backends:
        kind = step_name(backend)
        if kind == "TensorboardVisBackend":
            backend.save_dir = str(work_dir / "tensorboard")
        elif kind == "WandbVisBackend":
            ids.setdefault("wandb", uuid.uuid4().hex[:8])
            backend.save_dir = str(work_dir)
            backend.init_kwargs = {
                "project": "mnv4_vision",
                "name": work_dir.name,
                **backend.get("init_kwargs", {}),
                "id": ids["wandb"],
                "resume": "allow",
                "allow_val_change": True,
            }
            if is_main_process():
                write_atomic(file, json.dumps(ids).encode())
        elif kind == "MlflowBackend":
            backend.save_dir = str(work_dir / "mlruns")
            backend.run_ids = str(file)
            backend.run_id = ids.get("mlflow")
            backend.setdefault("run_name", work_dir.name)


@VISBACKENDS.register_module()
class MlflowBackend(MLflowVisBackend):
    """mmengine's MLflow backend, able to go on with a run.

    Args:
        run_id: MLflow's id of the run to go on with; None starts one.
        run_ids: JSON file to note the id in.
        run_name: Name of a new run.
        **kwargs: As for `mmengine.visualization.MLflowVisBackend`; the tracking server is that of
            `MLFLOW_TRACKING_URI`, by default files below `save_dir`.
    """

    def __init__(
        self,
        run_id: str | None = None,
        run_ids: str | None = None,
        run_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("tracking_uri", os.environ.get("MLFLOW_TRACKING_URI"))
        super().__init__(**kwargs)
        self.run_id, self.run_ids, self.run_name = run_id, run_ids, run_name

    def _init_env(self) -> None:
        super()._init_env()
        run = self._mlflow.start_run(run_id=self.run_id, run_name=self.run_name)
        if self.run_ids is not None:
            file = Path(self.run_ids)
            ids = json.loads(file.read_text()) if file.is_file() else {}
            write_atomic(file, json.dumps({**ids, "mlflow": run.info.run_id}).encode())

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config; of a run that goes on it is known, and MLflow refuses changes."""
        if self.run_id is None:
            super().add_config(config, **kwargs)
        else:
            self.cfg = config
