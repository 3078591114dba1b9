"""The validation's losses are those that the training would compute for the same pictures."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mnv4_vision.core.engine import load_config
from mnv4_vision.det.evaluation.val_loss import ValLossHook, _boxes_are_resized

SIZE = 64


class LoadAnnotations:
    pass


class Resize:
    pass


class Data:
    """What the hook asks of a data set: the order of its pipeline."""

    def __init__(self, *steps):
        self.pipeline = type("Pipeline", (), {"transforms": [step() for step in steps]})

    def __len__(self):
        return 8


class OneRunner:
    def __init__(self, model, dataset):
        self.model = model
        self.val_dataloader = self.test_dataloader = type("Loader", (), {"dataset": dataset})


@pytest.fixture(scope="module")
def model():
    init_default_scope("mmdet")
    cfg = load_config("configs/det/retina_mnv4_conv_s.py").model
    cfg.backbone.pretrained = None
    cfg.backbone.drop_path_rate = 0.5  # which must be off
    torch.manual_seed(0)
    return MODELS.build(cfg).eval()


def make_batch(seed, num_images, *, scale=1.0, num_boxes=3):
    """Images of 64 px whose boxes are in pixels of an image `1 / scale` as large."""
    random = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for index in range(num_images):
        inputs.append(torch.randint(0, 255, (3, SIZE, SIZE), generator=random, dtype=torch.uint8))
        low = torch.rand(num_boxes + 1, 2, generator=random) * 30
        boxes = torch.cat([low, low + 10 + torch.rand(low.shape, generator=random) * 20], dim=1)
        labels = torch.randint(80, (num_boxes + 1,), generator=random)
        sample = DetDataSample(
            metainfo={
                "img_id": index,
                "img_shape": (SIZE, SIZE),
                "ori_shape": (round(SIZE / scale), round(SIZE / scale)),
                "scale_factor": (scale, scale),
            }
        )
        boxes = boxes / scale
        sample.gt_instances = InstanceData(bboxes=boxes[:-1], labels=labels[:-1])
        sample.ignored_instances = InstanceData(bboxes=boxes[-1:], labels=labels[-1:])
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


def validate(model, dataset, batches, *, test=False, **options):
    """Run the hook around `val_step`, as mmengine's loop does; return the metrics."""
    hook, runner, metrics = ValLossHook(**options), OneRunner(model, dataset), {"coco/AP": 0.5}
    stage = "test" if test else "val"
    getattr(hook, f"before_{stage}_epoch")(runner)
    for index, batch in enumerate(batches):
        with torch.no_grad():
            outputs = model.val_step(batch)
        getattr(hook, f"after_{stage}_iter")(runner, index, batch, outputs)
    getattr(hook, f"after_{stage}_epoch")(runner, metrics)
    assert "forward" not in vars(model.bbox_head)  # nothing listens any more
    return metrics


@torch.no_grad()
def training_loss(model, batch):
    """What `train_step` would compute, in evaluation mode."""
    data = model.data_preprocessor(batch, False)
    return model.parse_losses(model.loss(data["inputs"], data["data_samples"]))[1]


@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize(
    ("steps", "scale"), [((LoadAnnotations, Resize), 1.0), ((Resize, LoadAnnotations), 0.5)]
)
def test_equals_the_training_loss(model, steps, scale, test):
    """Whether the pipeline loads boxes before or after it resizes; batches count by images."""
    batches = [make_batch(seed, images, scale=scale) for seed, images in ((1, 2), (2, 1))]
    metrics = validate(model, Data(*steps), batches, test=test)
    expected = [training_loss(model, make_batch(seed, images)) for seed, images in ((1, 2), (2, 1))]
    assert list(metrics) == ["coco/AP", *expected[0]]  # first, what chooses the best checkpoint
    for name in expected[0]:
        mean = (2 * expected[0][name] + expected[1][name]) / 3
        assert metrics[name] == pytest.approx(mean.item(), rel=1e-5)
    assert metrics["loss"] == pytest.approx(metrics["loss_cls"] + metrics["loss_bbox"], rel=1e-5)


def test_next_validation_starts_anew(model):
    data, batch = Data(LoadAnnotations, Resize), make_batch(1, 2)
    hook, runner = ValLossHook(), OneRunner(model, data)
    losses = []
    for batches in ([batch, make_batch(5, 2)], [batch]):
        metrics = {}
        hook.before_val_epoch(runner)
        for one in batches:
            with torch.no_grad():
                hook.after_val_iter(runner, 0, None, model.val_step(one))
        hook.after_val_epoch(runner, metrics)
        losses.append(metrics["loss"])
    assert losses[1] == pytest.approx(training_loss(model, batch)["loss"].item(), rel=1e-5)
    assert losses[0] != losses[1]


def test_images_without_boxes_count_but_data_without_any_have_no_loss(model):
    data = Data(LoadAnnotations, Resize)
    with_boxes, empty = make_batch(1, 1), make_batch(2, 1, num_boxes=0)
    assert validate(model, data, [empty]) == {"coco/AP": 0.5}
    both = validate(model, data, [with_boxes, empty])["loss"]
    alone = validate(model, data, [with_boxes])["loss"]
    assert both != alone


def test_large_data_sets_take_a_part_of_the_batches(model):
    data = Data(LoadAnnotations, Resize)  # of 8 images
    batches = [make_batch(seed, 1) for seed in range(4)]
    part = validate(model, data, batches, max_images=4)
    assert part == validate(model, data, batches[::2], max_images=8)
    assert part["loss"] != validate(model, data, batches, max_images=8)["loss"]


def test_pipeline_without_annotations_has_no_loss(model):
    batch = make_batch(1, 1)
    batch["data_samples"][0].gt_instances = InstanceData()
    assert validate(model, Data(Resize), [batch]) == {"coco/AP": 0.5}


def test_other_detectors_are_left_alone():
    class TwoStage(torch.nn.Module):
        roi_head = torch.nn.Identity()

    hook, metrics = ValLossHook(), {}
    runner = OneRunner(TwoStage(), Data(LoadAnnotations))
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, None, [])
    hook.after_val_epoch(runner, metrics)
    assert metrics == {}


def test_wrapped_data_sets_are_opened():
    wrapped = type("Repeat", (), {"dataset": Data(Resize, LoadAnnotations)})
    assert not _boxes_are_resized(wrapped)
    assert _boxes_are_resized(Data(LoadAnnotations, Resize))
