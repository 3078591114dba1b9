"""The metric equals a plain numpy reference and mmseg's, in one process and in two."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mask_samples import IGNORED, make_maps, samples_of
from mmengine.logging import MMLogger
from mmseg.datasets.transforms import PackSegInputs
from mmseg.evaluation import IoUMetric

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import LoadImage
from mnv4_vision.datasets.masks import find_masks
from mnv4_vision.seg import LoadMask, MaskDataset
from mnv4_vision.seg.evaluation import SegmentationMetric, confusion_matrix, format_table

ADE20K = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ade20k_samples"
NAMES = ("sky", "road", "tree", "car")


def full(value: int, shape: tuple[int, int] = (6, 9)) -> np.ndarray:
    return np.full(shape, value, dtype=np.uint8)


CASES = {
    "random": make_maps(1),
    "random, no ignored": make_maps(2, ignored=0.0),
    "all ignored": [(full(IGNORED), full(1)), (full(IGNORED), full(3))],
    "one image all ignored": [*make_maps(3, 2), (full(IGNORED), full(0))],
    "one class": [(full(2), full(2))],
    "one class, never found": [(full(2), full(0))],
    "absent classes": make_maps(4, num_classes=2),
    "a class is only predicted": [(full(0, (6, 6)), np.eye(6, dtype=np.uint8) * 3)],
    "a class is only predicted where ignored": [(np.where(np.eye(6), IGNORED, 1), 3 * np.eye(6))],
    "one pixel": [(full(1, (1, 1)), full(1, (1, 1)))],
}
CASES = {
    name: [(t.astype(np.uint8), p.astype(np.uint8)) for t, p in pairs]
    for name, pairs in CASES.items()
}


def metric_for(classes=NAMES, **options) -> SegmentationMetric:
    metric = SegmentationMetric(**options)
    metric.dataset_meta = {"classes": classes}
    return metric


def evaluate(pairs, **options) -> dict[str, float]:
    metric = metric_for(**options)
    for sample in samples_of(pairs):
        metric.process({}, [sample])
    return metric.evaluate(len(pairs))


def reference(pairs) -> dict[str, float]:
    """The definitions, in plain numpy."""
    truth = np.concatenate([t.ravel() for t, _ in pairs])
    prediction = np.concatenate([p.ravel() for _, p in pairs])
    truth, prediction = truth[truth != IGNORED], prediction[truth != IGNORED]
    ious, accuracies = [], []
    for k in range(len(NAMES)):
        both = np.sum((truth == k) & (prediction == k))
        either, own = np.sum((truth == k) | (prediction == k)), np.sum(truth == k)
        ious.append(both / either if either else np.nan)
        accuracies.append(both / own if own else np.nan)
    means = [
        np.mean([value for value in values if not np.isnan(value)] or [np.nan])
        for values in (ious, accuracies)
    ]
    right = np.mean(truth == prediction) if len(truth) else np.nan
    per_class = {f"IoU/{name}": value for name, value in zip(NAMES, ious, strict=True)}
    return {"mIoU": means[0], "mAcc": means[1], "aAcc": right, **per_class}


@pytest.mark.parametrize("pairs", CASES.values(), ids=CASES)
def test_equals_the_numpy_reference(pairs):
    metrics = evaluate(pairs, boundary=False)
    expected = {f"seg/{name}": value for name, value in reference(pairs).items()}
    assert list(metrics) == list(expected)  # mIoU first: it chooses the best checkpoint
    np.testing.assert_allclose([*metrics.values()], [*expected.values()], rtol=1e-14)


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
@pytest.mark.parametrize("pairs", CASES.values(), ids=CASES)
def test_equals_mmsegs_metric(pairs):
    theirs = IoUMetric()
    theirs.dataset_meta = {"classes": NAMES}
    theirs.process({}, list(samples_of(pairs)))
    ours, theirs = evaluate(pairs), theirs.evaluate(len(pairs))
    for name in ("mIoU", "mAcc", "aAcc"):
        assert 100 * ours[f"seg/{name}"] == pytest.approx(theirs[name], abs=5.01e-3, nan_ok=True)


def test_numbers_by_hand():
    truth = np.array([[0, 0, 0, 1], [1, 1, IGNORED, IGNORED]], dtype=np.uint8)
    prediction = np.array([[0, 0, 1, 1], [1, 2, 3, 0]], dtype=np.uint8)
    metric = metric_for(boundary=False)
    metric.process({}, samples_of([(truth, prediction)]))
    metrics = metric.evaluate(1)
    assert metrics["seg/IoU/sky"] == 2 / 3
    assert metrics["seg/IoU/road"] == 2 / 4
    assert metrics["seg/IoU/tree"] == 0  # predicted only
    assert np.isnan(metrics["seg/IoU/car"])  # predicted where nothing is annotated
    assert metrics["seg/mIoU"] == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert metrics["seg/aAcc"] == 4 / 6
    row = metric.scores.per_class["road"]
    assert (row["Acc"], row["precision"], row["F1"], row["pixels"]) == (2 / 3, 2 / 3, 2 / 3, 3)


def test_counts_every_label_of_a_byte():
    random = np.random.default_rng(0)
    truth, prediction = random.integers(0, 255, (2, 300, 200)).astype(np.uint8)
    expected = np.zeros((255, 255), dtype=np.int64)
    np.add.at(expected, (truth, prediction), 1)
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 255), expected)


def test_results_do_not_grow_with_the_images():
    metric = metric_for(num_worst=3)
    for sample in samples_of(make_maps(5, num_images=40)):
        metric.process({}, [sample])
        assert not metric.results
        assert metric._tally is None or len(metric._tally.worst) <= 3
    metric.evaluate(40)
    assert metric.scores.num_images == 40
    assert len(metric.worst) == 3


def test_worst_images_are_the_lowest():
    pairs = make_maps(6, num_images=9)
    metric = metric_for(num_worst=4)
    metric.process({}, samples_of(pairs))
    metric.evaluate(9)
    ious = {f"{i}.jpg": reference([pair])["mIoU"] for i, pair in enumerate(pairs)}
    assert [image.file for image in metric.worst] == sorted(ious, key=ious.get)[:4]
    worst = metric.worst[0]
    assert worst.iou == pytest.approx(ious[worst.file])
    np.testing.assert_array_equal(worst.truth, pairs[worst.position][0])


def test_next_evaluation_starts_anew():
    metric, pairs = metric_for(), make_maps(7, num_images=6)
    results = []
    for part in (pairs[:3], pairs[3:], pairs[:3]):
        metric.process({}, samples_of(part))
        results.append(metric.evaluate(3))
    assert results[0] == results[2] != results[1]


def test_masks_of_another_size_are_refused():
    ((truth, prediction),) = make_maps(8, 1)
    with pytest.raises(InputError, match=r"0\.jpg: the mask has 40 x 28 .* prediction 39 x 28"):
        metric_for().process({}, samples_of([(truth, prediction[:, 1:])]))


@pytest.mark.parametrize(
    ("truth", "prediction", "word"),
    [
        (full(0), full(4), r"0\.jpg: .* predicts class number 4 .* only 4 classes"),
        (full(0), full(IGNORED), "class number 255"),
        (full(200), full(0), "mask has label 200"),
        (full(0), full(0).astype(np.int64) + 300, "label 300"),
        (full(0), full(0).astype(np.int64) - 1, "label -1"),
    ],
)
def test_labels_without_class_are_refused(truth, prediction, word):
    with pytest.raises(InputError, match=word):
        evaluate([(truth, prediction)])


def test_data_without_masks_are_refused():
    (sample,) = samples_of(make_maps(9, 1))
    del sample["gt_sem_seg"]
    with pytest.raises(InputError, match="no mask"):
        metric_for().process({}, [sample])


def test_nothing_annotated_warns(caplog, monkeypatch):
    # mmengine's logger is no child of the root logger, where caplog listens.
    monkeypatch.setattr(MMLogger.get_current_instance(), "handlers", [caplog.handler])
    assert np.isnan(evaluate(CASES["all ignored"])["seg/mIoU"])
    assert "no annotated pixel in the 2 images" in caplog.text


def test_table_shows_every_number():
    metric = metric_for()
    metric.process({}, samples_of(CASES["absent classes"]))
    metrics = metric.evaluate(5)
    lines = format_table(metric.scores).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["mIoU", "mAcc", "aAcc", "boundaryF"]
    assert f"{metrics['seg/mIoU']:.4f}" in lines[0]
    assert [line.split()[0] for line in lines[-4:]] == list(NAMES)
    assert lines[-4].split()[1] == f"{metrics['seg/IoU/sky']:.4f}"
    assert lines[-1].split()[1:] == ["-"] * 5 + ["0"]


def test_real_masks_as_predictions_score_one():
    if not ADE20K.is_dir():
        pytest.skip(f"{ADE20K} is not there")
    pipeline = [dict(type=kind) for kind in (LoadImage, LoadMask, PackSegInputs)]
    splits = find_masks(ADE20K, need=()).splits
    data = [MaskDataset(ADE20K, split, pipeline=pipeline) for split in splits]
    samples = [one["data_samples"].to_dict() for dataset in data for one in dataset]
    classes = data[0].metainfo["classes"]
    metric = metric_for(classes)
    metric.process({}, [one | {"pred_sem_seg": one["gt_sem_seg"]} for one in samples])
    metrics = metric.evaluate(len(samples))
    labels = np.unique(torch.cat([one["gt_sem_seg"]["data"].flatten() for one in samples]))
    present = {classes[label] for label in labels if label != IGNORED}
    assert {name for name in classes if metrics[f"seg/IoU/{name}"] == 1.0} == present
    assert len(present) > 10
    assert all(np.isnan(metrics[f"seg/IoU/{name}"]) for name in set(classes) - present)
    for name in ("mIoU", "mAcc", "aAcc", "boundaryF"):
        assert metrics[f"seg/{name}"] == 1.0


TWO_RANKS = """
import json, sys
from pathlib import Path
import torch.distributed
sys.path.insert(0, sys.argv[1])
import test_seg_metric as t
rank, folder = int(sys.argv[2]), Path(sys.argv[3])
torch.distributed.init_process_group("gloo")
for count in (7, 8, 1):
    t.evaluate_part(rank, 2, count, folder / f"{count}.{rank}")
torch.distributed.destroy_process_group()  # gloo's threads at times abort at the end
"""


def evaluate_part(rank: int, ranks: int, count: int, file: Path) -> None:
    """Write the result over one rank's images, and on the first rank the worst of all."""
    from mmengine.dataset import DefaultSampler

    samples = list(samples_of(make_maps(11, num_images=count)))
    own = [samples[index] for index in DefaultSampler(samples, shuffle=False)]
    assert len(own) == -(-count // ranks)
    metric = metric_for(num_worst=3)
    for start in range(0, len(own), 3):
        metric.process({}, own[start : start + 3])
    result = metric.evaluate(count)
    worst = [(image.file, image.iou, image.position) for image in metric.worst]
    images = metric.scores.num_images if metric.scores else None
    file.write_text(json.dumps([result, worst, images]))


@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path, run_two_ranks):
    """7 images and 1 make the sampler repeat one; 8 do not."""
    for count in (7, 8, 1):
        evaluate_part(0, 1, count, tmp_path / f"{count}")
    run_two_ranks(TWO_RANKS, Path(__file__).parent, tmp_path)
    for count in (7, 8, 1):
        result, worst, images = json.loads((tmp_path / f"{count}").read_text())
        assert images == count
        first, second = (json.loads((tmp_path / f"{count}.{rank}").read_text()) for rank in (0, 1))
        # Sums of boundary scores in another order: the last bit may differ.
        assert first[0] == second[0]
        np.testing.assert_allclose([*first[0].values()], [*result.values()], rtol=1e-14)
        assert first[0]["seg/mIoU"] == result["seg/mIoU"]
        assert first[1:] == [worst, count]


def test_labels_of_any_integer_type_count():
    pairs = make_maps(12)
    metric = metric_for()
    for sample in samples_of(pairs):
        for key, kind in (("gt_sem_seg", torch.uint8), ("pred_sem_seg", torch.int32)):
            sample[key]["data"] = sample[key]["data"].to(kind)
        metric.process({}, [sample])
    assert metric.evaluate(len(pairs)) == evaluate(pairs)
