"""The metric equals a plain reference, on adversarial inputs too, in one process and in two."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from class_samples import make_outcomes, samples_of
from mmengine.evaluator import Evaluator

from mnv4_vision.cls.evaluation import Calibration, ClassificationMetric, format_table
from mnv4_vision.core.classification import ClassSample
from mnv4_vision.core.errors import InputError

NAMES = ("coat", "dress", "hat", "shirt", "shoe", "skirt", "sock", "vest")


def uniform(num_images: int, num_classes: int = 8) -> np.ndarray:
    return np.full((num_images, num_classes), 1 / num_classes, np.float32)


def without_class(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 3 is neither annotated nor predicted, class 4 only predicted."""
    scores[:, 3] = 0
    return scores, np.where((labels == 3) | (labels == 4), 5, labels)


CASES = {
    "random": make_outcomes(1),
    "nearly sure": make_outcomes(2, sharpness=60.0),
    "absent classes": without_class(*make_outcomes(3)),
    "all equal": (uniform(20), np.arange(20) % 8),
    "some equal": (np.round(make_outcomes(4)[0], 1), make_outcomes(4)[1]),
    "one image": make_outcomes(5, num_images=1),
    "one annotated class": (make_outcomes(6)[0], np.full(60, 7)),
    "exactly 0 and 1": (np.eye(8)[np.arange(24) % 8], np.arange(24) % 7),
    "six classes": make_outcomes(7, num_classes=6),
    "five classes": make_outcomes(8, num_classes=5),
    "two classes": make_outcomes(9, num_classes=2),
    "one class": (uniform(4, 1), np.zeros(4, int)),
}


def metric_for(num_classes: int = 8, **options) -> ClassificationMetric:
    metric = ClassificationMetric(**options)
    metric.dataset_meta = {"classes": NAMES[:num_classes]}
    return metric


def evaluate(scores, labels, **options) -> dict[str, float]:
    metric = metric_for(scores.shape[1], **options)
    samples = list(samples_of(scores, labels))
    for start in range(0, len(samples), 7):
        metric.process({}, samples[start : start + 7])
    return metric.evaluate(len(samples))


def reference(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The definitions, image by image."""
    scores = scores.astype(np.float32).astype(np.float64)
    classes = range(scores.shape[1])
    orders = [sorted(classes, key=lambda k: (-row[k], k)) for row in scores]
    right = [order[0] == label for order, label in zip(orders, labels, strict=True)]
    result = {"top1": np.mean(right)}
    if len(classes) > 5:
        in_top = [label in order[:5] for order, label in zip(orders, labels, strict=True)]
        result["top5"] = np.mean(in_top)
    by_class = {}
    for k in classes:
        own = [r for r, label in zip(right, labels, strict=True) if label == k]
        by_class[f"accuracy/{NAMES[k]}"] = np.mean(own) if own else np.nan
    result["mean_class_accuracy"] = np.mean([v for v in by_class.values() if not np.isnan(v)])
    result["calibration_error"] = calibration_error(scores.max(axis=1), right)
    return result | by_class


def calibration_error(confidences: np.ndarray, right: list[bool]) -> float:
    """Equation 3 of Guo et al. (2017), as it stands, over bins (m / 15, (m + 1) / 15]."""
    error = 0.0
    for low, high in zip(np.linspace(0, 1, 16)[:-1], np.linspace(0, 1, 16)[1:], strict=True):
        inside = [i for i, c in enumerate(confidences) if low < c <= high]
        if inside:
            accuracy = sum(right[i] for i in inside) / len(inside)
            confidence = sum(confidences[i] for i in inside) / len(inside)
            error += len(inside) / len(right) * abs(accuracy - confidence)
    return error


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_the_reference(case):
    metrics = evaluate(*case)
    expected = {f"cls/{name}": value for name, value in reference(*case).items()}
    assert list(metrics) == list(expected)  # top1 first: it chooses the best checkpoint
    np.testing.assert_allclose([*metrics.values()], [*expected.values()], rtol=1e-12, atol=1e-15)


def test_numbers_by_hand():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.35, 0.65]])
    metric = metric_for(2)
    metric.process({}, list(samples_of(scores, np.array([0, 1, 1, 1]))))
    metrics = metric.evaluate(4)
    assert metrics["cls/top1"] == 3 / 4
    assert "cls/top5" not in metrics
    assert metrics["cls/accuracy/coat"] == 1
    assert metrics["cls/accuracy/dress"] == 2 / 3
    assert metrics["cls/mean_class_accuracy"] == pytest.approx(5 / 6)
    # 0.9 and 0.8 are in bins of their own: off by 0.1 and 0.8; 0.7 and 0.65 too: by 0.3 and 0.35.
    expected = (0.1 + 0.8 + 0.3 + 0.35) / 4
    assert metrics["cls/calibration_error"] == pytest.approx(expected, abs=1e-7)
    row = metric.scores.per_class["coat"]
    assert row == {"accuracy": 1, "precision": 1 / 2, "F1": pytest.approx(2 / 3), "images": 1}
    assert metric.scores.confusion.tolist() == [[1, 0], [1, 2]]


def test_equal_scores_win_nothing():
    """A model that says the same of everything finds the classes that come first, no more."""
    metrics = evaluate(uniform(16), np.arange(16) % 8)
    assert metrics["cls/top1"] == 1 / 8
    assert metrics["cls/top5"] == 5 / 8


def test_bins_are_closed_above():
    for number in range(15):
        calibration = Calibration()
        calibration.add(np.linspace(0, 1, 16)[number + 1], right=True)
        assert np.flatnonzero(calibration.images) == number
    calibration.add(0.0, right=False)
    assert calibration.images[0] == 1
    assert calibration.error == pytest.approx(0.0)  # (0 * 1 + 0 * 1) / 2


def test_calibrated_model_has_no_error():
    confidence = np.repeat([0.6, 0.8], [50, 50])
    right = np.concatenate([np.arange(50) < 30, np.arange(50) < 40])
    scores = np.stack([confidence, 1 - confidence], axis=1)
    assert evaluate(scores, np.where(right, 0, 1))["cls/calibration_error"] < 1e-7
    assert evaluate(scores, np.zeros(100, int))["cls/calibration_error"] == pytest.approx(0.3)


def test_soft_labels_count_by_their_largest():
    scores, labels = make_outcomes(10)
    samples = list(samples_of(scores, labels))
    for sample in samples:
        soft = torch.full((8,), 0.05)
        soft[sample.pop("gt_label")] = 0.65
        sample["gt_score"] = soft
    metric = metric_for()
    metric.process({}, samples)
    assert metric.evaluate(60) == evaluate(scores, labels)


def test_through_mmengines_evaluator():
    scores, labels = make_outcomes(11, num_images=5)
    evaluator = Evaluator(ClassificationMetric(classwise=False))
    evaluator.dataset_meta = {"classes": NAMES}
    samples = []
    for row, label in zip(scores, labels, strict=True):
        sample = ClassSample(metainfo={"img_path": "a.jpg"})
        sample.gt_label, sample.pred_score = int(label), torch.from_numpy(row)
        samples.append(sample)
    evaluator.process(samples)
    expected = {f"cls/{name}": value for name, value in reference(scores, labels).items()}
    metrics = evaluator.evaluate(5)
    assert metrics == {n: pytest.approx(v) for n, v in expected.items() if "accuracy/" not in n}


def test_memory_does_not_grow_and_worst_are_the_surest_mistakes():
    scores, labels = make_outcomes(12, num_images=200)
    scores[:100, 0], labels[0] = scores[100:, 0], 1 - labels[0] % 2
    metric = metric_for(num_worst=4)
    for sample in samples_of(scores, labels):
        metric.process({}, [sample])
        assert not metric.results
        assert metric._tally is None or len(metric._tally._worst) <= 4
    metric.evaluate(200)
    wrong = np.flatnonzero(scores.argmax(axis=1) != labels)
    surest = wrong[np.argsort(-scores.max(axis=1)[wrong], kind="stable")][:4]
    assert [outcome.file for outcome in metric.worst] == [f"{i}.jpg" for i in surest]
    first = metric.worst[0]
    assert (first.truth, first.prediction) == (labels[surest[0]], scores[surest[0]].argmax())
    assert first.truth_score == scores[surest[0], first.truth]


def test_equally_sure_mistakes_come_by_position():
    metric = metric_for(2, num_worst=2)
    metric.process({}, list(samples_of(np.tile([0.75, 0.25], (5, 1)), np.ones(5, int))))
    metric.evaluate(5)
    assert [outcome.file for outcome in metric.worst] == ["0.jpg", "1.jpg"]


def test_next_evaluation_starts_anew():
    metric, results = metric_for(), []
    for seed in (13, 14, 13):
        metric.process({}, list(samples_of(*make_outcomes(seed))))
        results.append(metric.evaluate(60))
    assert results[0] == results[2] != results[1]


def changed(**values) -> dict:
    (sample,) = samples_of(*make_outcomes(15, num_images=1))
    return {key: value for key, value in (sample | values).items() if value is not None}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"pred_score": torch.full((8,), torch.nan)}, r"0\.jpg: .* no numbers .* diverged"),
        ({"pred_score": torch.tensor([torch.inf] + [0.0] * 7)}, "no numbers"),
        ({"pred_score": torch.ones(7) / 7}, r"gives 7 scores .* 8 classes: set .* num_classes"),
        ({"pred_score": torch.arange(8.0) - 2}, r"from -2 to 5, probabilities .* softmax"),
        ({"gt_label": 8}, r"0\.jpg has label 8 .* only 8 classes \(0\.\.7\)"),
        ({"gt_label": -1}, "label -1"),
        ({"gt_label": None}, "no gt_label"),
    ],
)
def test_what_would_give_a_wrong_number_is_refused(values, words):
    with pytest.raises(InputError, match=words):
        metric_for().process({}, [changed(**values)])


def test_equal_class_names_are_told_apart():
    metric = ClassificationMetric()
    metric.dataset_meta = {"classes": ("crane", "boat", "crane")}  # ImageNet has two cranes
    metric.process({}, list(samples_of(np.eye(3)[[0, 1, 0]], np.array([0, 1, 2]))))
    metrics = metric.evaluate(3)
    assert metrics["cls/accuracy/crane (0)"] == 1
    assert metrics["cls/accuracy/crane (2)"] == 0


def test_table_shows_every_number():
    metric = metric_for()
    metric.process({}, list(samples_of(*CASES["absent classes"])))
    metrics = metric.evaluate(60)
    lines = format_table(metric.scores).splitlines()
    names = ["top1", "top5", "mean_class_accuracy", "calibration_error"]
    assert [line.split()[0] for line in lines[:4]] == names
    assert lines[0].split()[1] == f"{metrics['cls/top1']:.4f}"
    assert [line.split()[0] for line in lines[-8:]] == list(NAMES)
    assert lines[-8].split()[1] == f"{metrics['cls/accuracy/coat']:.4f}"
    assert lines[-5].split()[1:] == ["-", "-", "-", "0"]  # class 3


def test_a_thousand_classes_fill_no_screen():
    scores, labels = make_outcomes(16, num_images=50, num_classes=1000)
    metric = ClassificationMetric()
    metric.dataset_meta = {"classes": [f"n{i:08}" for i in range(1000)]}
    metric.process({}, list(samples_of(scores, labels)))
    metrics = metric.evaluate(50)
    assert len(metrics) == 4
    lines = format_table(metric.scores).splitlines()
    assert len(lines) == 4 + 2 + 20
    assert "lowest of 1000 classes" in lines[5]


TWO_RANKS = """
import sys
from pathlib import Path
import torch.distributed
sys.path.insert(0, sys.argv[1])
import test_cls_metric as t
rank, folder = int(sys.argv[2]), Path(sys.argv[3])
torch.distributed.init_process_group("gloo")
for count in (7, 8, 1):
    t.evaluate_part(rank, 2, count, folder / f"{count}.{rank}")
torch.distributed.destroy_process_group()  # gloo's threads at times abort at the end
"""


def evaluate_part(rank: int, ranks: int, count: int, file: Path) -> None:
    """Write the result over one rank's images, and on the first rank the worst of all."""
    from mmengine.dataset import DefaultSampler

    samples = list(samples_of(*make_outcomes(17, num_images=count)))
    own = [samples[index] for index in DefaultSampler(samples, shuffle=False)]
    assert len(own) == -(-count // ranks)
    metric = metric_for(num_worst=3)
    for start in range(0, len(own), 3):
        metric.process({}, own[start : start + 3])
    result = metric.evaluate(count)
    worst = [(outcome.file, outcome.confidence) for outcome in metric.worst]
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
        assert first[1:] == [worst, count]
        for found in (first[0], second[0]):
            # Sums of confidences in another order: the last bit may differ.
            error = found.pop("cls/calibration_error")
            assert error == pytest.approx(result["cls/calibration_error"], rel=1e-12)
            same = {name: result[name] for name in found}
            np.testing.assert_equal(found, same)  # NaN equals NaN
        assert len(found) == len(result) - 1
