"""Misspelt keys and types, in old- and new-style configs, and no false alarm on real ones."""

import importlib.util
from pathlib import Path

import pytest
import tiny_run
from mmengine.config import Config

from mnv4_vision.core.engine.config_check import check_config, check_overrides
from mnv4_vision.core.engine.prepare import HELPER_KEYS, OWN_KEYS, load_config
from mnv4_vision.core.engine.task import build_task
from mnv4_vision.core.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = [p for p in sorted((ROOT / "configs").rglob("*.py")) if "_base_" not in p.parts]

OLD_STYLE = """
lr = 0.1
model = dict(type="ToyModel")
work_dir = "w"
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
    dataset=dict(
        type="RepeatDataset",
        times=2,
        dataset=dict(type="mmengine.dataset.BaseDataset", ann_file="a", metainfo=dict(any_name=1)),
    ),
)
train_cfg = dict(by_epoch=True, max_epochs=3, val_interval=1)
optim_wrapper = dict(
    type="AmpOptimWrapper",
    loss_scale="dynamic",
    clip_grad=dict(max_norm=1.0, norm_type=2),
    optimizer=dict(type="SGD", lr=lr),
    paramwise_cfg=dict(norm_decay_mult=0.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=1, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", T_max=3, begin=1, end=3, by_epoch=True),
]
default_hooks = dict(
    checkpoint=dict(type="CheckpointHook", interval=1, save_best="auto", priority="LOW"),
    ema=dict(type="EMAHook", ema_type="ExponentialMovingAverage", momentum=1e-3),
)
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(opencv_num_threads=0), dist_cfg=dict(backend="x"))
randomness = dict(seed=1)
log_processor = dict(window_size=5)
"""


@pytest.fixture(scope="module", autouse=True)
def toy_model():
    from mmengine.registry import MODELS

    class ToyModel:
        def __init__(self, width=1, test_cfg=None, init_cfg=None):
            pass

    MODELS.register_module(module=ToyModel, force=True)
    yield
    MODELS.module_dict.pop("ToyModel")


def old_style(**changes):
    cfg = Config.fromstring(OLD_STYLE, ".py")
    cfg.merge_from_dict(changes)
    return cfg


def test_sound_config_passes():
    check_config(old_style(), helper_keys={"lr"})
    check_config(tiny_run.make_config("w", workers=2))


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("modle", "model"),
        ("lr", None),
        ("model.widht", "width"),
        ("train_dataloader.batchsize", "batch_size"),
        ("train_dataloader.sampler.shufle", "shuffle"),
        ("train_dataloader.dataset.time", "times"),
        ("train_dataloader.dataset.dataset.annfile", "ann_file"),
        ("train_cfg.max_epoch", "max_epochs"),
        ("train_cfg.max_iters", None),
        ("optim_wrapper.loss_scal", "loss_scale"),
        ("optim_wrapper.optimizer.weight_decy", "weight_decay"),
        ("optim_wrapper.paramwise_cfg.norm_decay", "norm_decay_mult"),
        ("param_scheduler.0.start_facto", "start_factor"),
        ("param_scheduler.1.Tmax", "T_max"),
        ("default_hooks.checkpoint.max_keep_ckpt", "max_keep_ckpts"),
        ("default_hooks.ema.momentun", "momentum"),
        ("env_cfg.cudnn_bench", "cudnn_benchmark"),
        ("env_cfg.mp_cfg.opencv_threads", "opencv_num_threads"),
        ("randomness.sed", "seed"),
        ("log_processor.window", "window_size"),
    ],
)
def test_unknown_key_is_named(path, hint):
    cfg = old_style(**{path: 1})
    with pytest.raises(InputError) as error:
        check_config(cfg, helper_keys={"lr"} if path != "lr" else ())
    assert f"unknown key {path}" in str(error.value)
    if hint:
        assert f"did you mean {hint!r}?" in str(error.value)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("model.test_cfg.score_thresh", "score_thr"),
        ("model.test_cfg.score_threshold", None),
        ("model.test_cfg.nms.iou_thr", "iou_threshold"),
        ("model.train_cfg.allowed_boarder", "allowed_border"),
        ("model.train_cfg.assigner.pos_iou", "pos_iou_thr"),
        ("model.neck.num_out", "num_outs"),
        ("train_dataloader.dataset.filter_cfg.filter_empty", "filter_empty_gt"),
        ("train_dataloader.dataset.pipeline.2.ratiorange", "ratio_range"),
        ("train_dataloader.dataset.pipeline.3.transforms.0.brightness_limits", "brightness_limit"),
        ("train_dataloader.dataset.data_prefix.imgs", "img"),
        ("optim_wrapper.clip_grad.maxnorm", "max_norm"),
        ("val_evaluator.annfile", "ann_file"),
    ],
)
def test_unknown_key_in_a_detector_config_is_named(path, hint):
    cfg = load_config(str(ROOT / "configs/det/retina_mnv4_conv_s.py"))
    cfg.merge_from_dict({path: 1})
    with pytest.raises(InputError) as error:
        check_config(cfg, OWN_KEYS, HELPER_KEYS)
    assert f"unknown key {path}" in str(error.value)
    assert len(str(error.value)) < 600
    if hint:
        assert f"did you mean {hint!r}?" in str(error.value)


def test_message_says_who_would_have_read_the_key():
    with pytest.raises(InputError, match=r"mmengine.hooks.ema_hook.EMAHook"):
        check_config(old_style(**{"default_hooks.ema.momentun": 1}), helper_keys={"lr"})
    with pytest.raises(InputError, match=r"ToyModel, which takes init_cfg, test_cfg, width$"):
        check_config(old_style(**{"model.zzz": 1}), helper_keys={"lr"})


def test_all_problems_are_counted():
    cfg = old_style(**{"model.widht": 1, "randomness.sed": 2, "modle": 3})
    with pytest.raises(InputError, match=r"modle .*and 2 more like it"):
        check_config(cfg, helper_keys={"lr"})


def test_unknown_type():
    cfg = old_style(**{"optim_wrapper.optimizer.type": "AdmaW"})
    with pytest.raises(InputError, match=r"optim_wrapper.optimizer.type: 'AdmaW'.*mean 'AdamW'"):
        check_config(cfg, helper_keys={"lr"})


def test_keys_of_another_constructor_are_its_own_affair():
    changes = {
        "optim_wrapper.constructor": "DefaultOptimWrapperConstructor",
        "optim_wrapper.paramwise_cfg.layer_decay": 0.9,
    }
    check_config(old_style(**changes), helper_keys={"lr"})


def test_new_style(tmp_path):
    file = tmp_path / "c.py"
    text = """
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage{} as Average
model = dict(type=Average, momentum=0.1)
custom_hooks = [dict(type=EMAHook, ema_type=Average, {}=0.1)]
"""
    file.write_text(text.format("", "momentum"))
    check_config(Config.fromfile(file))
    file.write_text(text.format("", "momentu"))
    with pytest.raises(
        InputError, match=r"c.py: unknown key custom_hooks.0.momentu \(did you mean"
    ):
        check_config(Config.fromfile(file))
    file.write_text(text.format("s", "momentum"))
    with pytest.raises(InputError, match=r"model.type: .*ExponentialMovingAverages"):
        check_config(Config.fromfile(file))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_passes_also_when_dumped(path, tmp_path):
    cfg = load_config(str(path))
    own_keys = OWN_KEYS | build_task(cfg.task).own_keys
    check_config(cfg, own_keys, HELPER_KEYS)
    cfg.dump(tmp_path / "config.py")
    check_config(Config.fromfile(tmp_path / "config.py"), own_keys, HELPER_KEYS)


def upstream_configs(package, families):
    spec = importlib.util.find_spec(package)
    root = Path(spec.origin).parent / ".mim" / "configs" if spec else Path()
    return [next(iter(sorted((root / f).glob("*.py"))), None) for f in families]


@pytest.mark.parametrize(
    "path",
    [
        *upstream_configs("mmseg", ["deeplabv3plus", "segformer", "bisenetv2", "mobilenet_v3"]),
        *upstream_configs("mmdet", ["retinanet", "ssd", "rtmdet", "yolox", "dino", "cascade_rcnn"]),
        # Settings read by a function, taken out by an owner, dropped, read by nobody.
        *upstream_configs("mmdet", ["mask_rcnn", "pisa", "detr", "mask2former", "sabl"]),
    ],
    ids=str,
)
def test_no_false_alarm_on_upstream_configs(path):
    if path is None:
        pytest.skip("the installed package carries no configs")
    cfg = Config.fromfile(path)
    known = {"model", "optim_wrapper", "default_hooks", "param_scheduler", "env_cfg", "train_cfg"}
    known |= {
        f"{split}_{part}" for split in ("train", "val") for part in ("dataloader", "evaluator")
    }
    check_config(cfg, helper_keys=set(cfg.keys()) - known)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("modle.width", r"the config has no key 'modle' \(did you mean 'model'\?\)"),
        ("model.test_cf.x", r"model has no key 'test_cf'; it has type"),
        ("param_scheduler.2.end", r"param_scheduler has no item '2'; it is a list of 2"),
        ("param_scheduler.first.end", r"no item 'first'"),
        ("train_cfg.max_epochs.x", r"train_cfg.max_epochs is 3 and has no keys"),
        ("randomness.sed", r"randomness has no key 'sed' \(did you mean 'seed'\?\)"),
        ("lr", r"nothing reads lr any more; set optim_wrapper.optimizer.lr instead"),
    ],
)
def test_override_that_goes_nowhere(option, message):
    with pytest.raises(InputError, match=rf"--cfg-options {option}: .*{message}"):
        check_overrides(old_style(), {option: 1}, helper_keys={"lr"})


@pytest.mark.parametrize(
    "option", ["model.width", "param_scheduler.1.end", "train_cfg.max_epochs", "resume"]
)
def test_override_that_has_a_place(option):
    check_overrides(old_style(), {option: 1}, helper_keys={"lr"})
