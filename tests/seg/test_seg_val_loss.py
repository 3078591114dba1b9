"""The validation's losses are those that the training would compute for the same pictures."""

import copy

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mnv4_vision.core.engine import build_task, load_config
from mnv4_vision.seg.evaluation.val_loss import STEP, ValLossHook

SIZE, CLASSES = 64, 5


class OneRunner:
    def __init__(self, model, num_images=8):
        self.model = model
        loader = type("Loader", (), {"dataset": range(num_images)})
        self.val_dataloader = self.test_dataloader = loader


@pytest.fixture(scope="module")
def model():
    init_default_scope("mmseg")
    cfg = load_config("configs/seg/lraspp_mnv4_conv_s.py")
    cfg.model.backbone.pretrained = None
    cfg.model.decode_head.num_classes = CLASSES
    build_task(cfg.task).follow_model(cfg)
    torch.manual_seed(0)
    return MODELS.build(cfg.model).eval()


def make_batch(seed, sizes, *, ignored=0.2):
    """Pictures of 64 px; the masks have the sizes of the photos."""
    random = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for size in sizes:
        inputs.append(torch.randint(0, 255, (3, SIZE, SIZE), generator=random, dtype=torch.uint8))
        labels = torch.randint(CLASSES, (1, *size), generator=random)
        labels[torch.rand(labels.shape, generator=random) < ignored] = 255
        sample = SegDataSample(metainfo={"img_shape": (SIZE, SIZE), "ori_shape": size})
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


def validate(model, batches, *, test=False, **options):
    """Run the hook around `val_step`, as mmengine's loop does; return the metrics."""
    hook, runner, metrics = ValLossHook(**options), OneRunner(model), {"seg/mIoU": 0.5}
    stage = "test" if test else "val"
    getattr(hook, f"before_{stage}_epoch")(runner)
    for index, batch in enumerate(batches):
        with torch.no_grad():
            outputs = model.val_step(batch)
        getattr(hook, f"after_{stage}_iter")(runner, index, batch, outputs)
    getattr(hook, f"after_{stage}_epoch")(runner, metrics)
    assert "forward" not in vars(model.decode_head)  # nothing listens any more
    return metrics


@torch.no_grad()
def training_loss(model, batch, *, step=STEP):
    """What `train_step` would compute, in evaluation mode, for every `step`-th pixel and row."""
    batch = {"inputs": batch["inputs"], "data_samples": copy.deepcopy(batch["data_samples"])}
    for sample in batch["data_samples"]:
        labels = sample.gt_sem_seg.data
        sample.gt_sem_seg = PixelData(data=labels[:, step // 4 :: step, step // 4 :: step])
    data = model.data_preprocessor(batch, False)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))[1]


@pytest.mark.parametrize("test", [False, True])
def test_equals_the_training_loss(model, test):
    """Images count alike, whatever the sizes of their masks and batches."""
    sizes = [[(64, 64), (40, 80)], [(96, 64)]]
    batches = [make_batch(seed, one) for seed, one in enumerate(sizes)]
    metrics = validate(model, batches, test=test)
    expected = []
    for batch in batches:
        for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
            expected.append(training_loss(model, {"inputs": [image], "data_samples": [sample]}))
    assert list(metrics) == ["seg/mIoU", "loss", "decode.loss_ce"]  # no accuracy of pixels
    for name in ("loss", "decode.loss_ce"):
        mean = sum(one[name].item() for one in expected) / 3
        assert metrics[name] == pytest.approx(mean, rel=1e-5)
    assert len({one["loss"].item() for one in expected}) == 3


def test_batch_of_equal_sizes_is_one_training_batch(model):
    batch = make_batch(3, [(64, 64)] * 2, ignored=0.0)
    expected = training_loss(model, batch)["loss"].item()
    assert validate(model, [batch])["loss"] == pytest.approx(expected, rel=1e-5)


def test_every_fourth_pixel_stands_for_all(model):
    batch = make_batch(4, [(SIZE, SIZE)] * 4)
    for sample in batch["data_samples"]:  # regions, as masks have them
        labels = sample.gt_sem_seg.data[:, ::8, ::8]
        sample.gt_sem_seg.data = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    expected = training_loss(model, batch, step=1)["loss"].item()
    assert validate(model, [batch])["loss"] == pytest.approx(expected, rel=0.01)


def test_large_data_sets_take_a_part_of_the_batches(model):
    batches = [make_batch(seed, [(SIZE, SIZE)]) for seed in range(4)]
    part = validate(model, batches, max_images=4)
    assert part == validate(model, batches[::2], max_images=8)
    assert part["loss"] != validate(model, batches, max_images=8)["loss"]


def test_data_without_annotated_pixels_have_no_loss(model):
    assert validate(model, [make_batch(5, [(64, 64)], ignored=1.1)]) == {"seg/mIoU": 0.5}


def test_sliding_windows_have_no_loss(model, monkeypatch):
    monkeypatch.setattr(model, "test_cfg", type(model.test_cfg)(
        dict(mode="slide", crop_size=(32, 32), stride=(32, 32))
    ))  # fmt: skip
    assert validate(model, [make_batch(6, [(64, 64)])]) == {"seg/mIoU": 0.5}


def test_process_without_losses_takes_part(model, monkeypatch):
    """Where the pictures of one process are all padded, the others must not wait for it."""
    own, padded = make_batch(8, [(64, 64)]), make_batch(9, [(64, 64)])
    padded["data_samples"][0].set_metainfo({"img_padding_size": (0, 2, 0, 0)})
    expected, sums = validate(model, [own]), []

    def gather(one):
        sums.append(one)
        return sums

    monkeypatch.setattr("mnv4_vision.core.engine.val_loss.all_gather_object", gather)
    validate(model, [own])
    assert validate(model, [padded]) == expected
    assert sums[1] == {}


def test_a_broken_off_validation_leaves_nothing_behind(model):
    hook, runner, batch = ValLossHook(), OneRunner(model), make_batch(7, [(64, 64)])
    hook.before_val_epoch(runner)
    hook.before_val_epoch(runner)
    with torch.no_grad():
        hook.after_val_iter(runner, 0, batch, model.val_step(batch))
    metrics = {}
    hook.after_val_epoch(runner, metrics)
    assert metrics["loss"] == pytest.approx(training_loss(model, batch)["loss"].item(), rel=1e-5)
    assert "forward" not in vars(model.decode_head)
