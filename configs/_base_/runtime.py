"""What every run has: hooks, EMA, logging, seeds. Metrics and curves land in the work dir."""

from mmengine.hooks import (
    DistSamplerSeedHook,
    EMAHook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
)
from mmengine.model import MomentumAnnealingEMA
from mmengine.visualization import LocalVisBackend, Visualizer

from mnv4_vision.core.engine import (
    AtomicCheckpointHook,
    ExactResumeHook,
    HistoryHook,
    InterruptHook,
    LossGuardHook,
    ProgressHook,
    ValidationLogProcessor,
)

default_hooks = dict(
    timer=dict(type=IterTimerHook),
    logger=dict(type=LoggerHook, interval=50),
    param_scheduler=dict(type=ParamSchedulerHook),
    checkpoint=dict(
        type=AtomicCheckpointHook, interval=1, max_keep_ckpts=1, save_best="auto", rule="greater"
    ),
    sampler_seed=dict(type=DistSamplerSeedHook),
    ema=dict(
        type=EMAHook, ema_type=MomentumAnnealingEMA, momentum=2e-4, gamma=20, update_buffers=True
    ),
    exact_resume=dict(type=ExactResumeHook),
    history=dict(type=HistoryHook),
    progress=dict(type=ProgressHook),
    loss_guard=dict(type=LossGuardHook),
    interrupt=dict(type=InterruptHook),  # after all others of the lowest priority
)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)
visualizer = dict(type=Visualizer, vis_backends=[dict(type=LocalVisBackend)])
log_processor = dict(type=ValidationLogProcessor, window_size=50, by_epoch=True)
randomness = dict(seed=0)
