"""The metric in mmengine's loop: equal to the plain evaluation, and strict about classes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from coco_samples import make_detections, make_set
from mmengine.logging import MMLogger

from mnv4_vision.core.errors import InputError
from mnv4_vision.det import FastCocoMetric
from mnv4_vision.det.evaluation.scores import BACKENDS, STATISTICS, evaluate_coco


@pytest.fixture
def annotation_file(tmp_path):
    file = tmp_path / "val.json"
    file.write_text(json.dumps(make_set(11)))
    return file


def metric_for(file, classes=("cat", "dog", "owl"), **options) -> FastCocoMetric:
    metric = FastCocoMetric(ann_file=file, **options)
    metric.dataset_meta = {"classes": classes}
    return metric


def samples_for(gt: dict, rows: np.ndarray, classes: tuple[str, ...]) -> list[dict]:
    """What an mmdet detector returns for every image: xyxy float32, labels by class order."""
    ids = {category["name"]: category["id"] for category in gt["categories"]}
    label_of = {ids[name]: label for label, name in enumerate(classes)}
    samples = []
    for image in gt["images"]:
        own = rows[rows[:, 0] == image["id"]]
        boxes = np.column_stack([own[:, 1:3], own[:, 1:3] + own[:, 3:5]])
        instances = {
            "bboxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            "scores": torch.tensor(own[:, 5], dtype=torch.float32),
            "labels": torch.tensor([label_of[c] for c in own[:, 6]], dtype=torch.int64),
        }
        samples.append({"img_id": image["id"], "pred_instances": instances})
    return samples


@pytest.mark.parametrize("classes", [("cat", "dog", "owl"), ("owl", "cat", "dog")])
def test_metric_equals_evaluation_in_any_class_order(annotation_file, classes):
    gt = json.loads(annotation_file.read_text())
    rows = make_detections(gt, 12)
    samples = samples_for(gt, rows, classes)
    results = {}
    for backend in BACKENDS:
        metric = metric_for(annotation_file, classes, backend=backend)
        for start in range(0, len(samples), 4):
            metric.process({}, samples[start : start + 4])
        results[backend] = metric.evaluate(len(samples))
    assert results["hotcoco"] == results["pycocotools"]
    rows32 = rows.copy()
    x2y2 = (rows[:, 1:3] + rows[:, 3:5]).astype(np.float32).astype(np.float64)
    rows32[:, 1:6] = rows[:, 1:6].astype(np.float32)
    rows32[:, 3:5] = x2y2 - rows32[:, 1:3]
    expected = evaluate_coco(gt, rows32)
    for name, value in expected.stats.items():
        assert results["hotcoco"][f"coco/{name}"] == value
    for name, row in expected.per_class.items():
        assert results["hotcoco"][f"coco/AP/{name}"] == row["AP"]
        assert results["hotcoco"][f"coco/AP50/{name}"] == row["AP50"]


def test_metric_agrees_with_mmdets(annotation_file):
    from mmdet.evaluation import CocoMetric

    gt = json.loads(annotation_file.read_text())
    for annotation in gt["annotations"]:
        annotation["id"] += 1
    annotation_file.write_text(json.dumps(gt))
    samples = samples_for(gt, make_detections(gt, 13), ("cat", "dog", "owl"))
    theirs = CocoMetric(ann_file=str(annotation_file), proposal_nums=(1, 10, 100))
    theirs.dataset_meta = {"classes": ("cat", "dog", "owl")}
    ours = metric_for(annotation_file)
    for metric in (ours, theirs):
        shaped = [{**sample, "ori_shape": (480, 640)} for sample in samples]
        metric.process({}, shaped)
    mine, reference_metrics = ours.evaluate(len(samples)), theirs.evaluate(len(samples))
    for key, name in (("mAP", "AP"), ("mAP_50", "AP50"), ("mAP_75", "AP75"), ("mAP_l", "APl")):
        assert reference_metrics[f"coco/bbox_{key}"] == pytest.approx(
            mine[f"coco/{name}"], abs=5.1e-4
        )


def test_metric_counts_images_without_detections(annotation_file):
    gt = json.loads(annotation_file.read_text())
    rows = make_detections(gt, 14)
    rows = rows[rows[:, 0] == gt["images"][0]["id"]]
    samples = samples_for(gt, rows, ("cat", "dog", "owl"))
    metric = metric_for(annotation_file)
    metric.process({}, samples)
    everything = metric.evaluate(len(samples))["coco/AR100"]
    metric.process({}, samples[:1])
    only_one = metric.evaluate(1)["coco/AR100"]
    assert 0 < everything < only_one / 5


def test_metric_without_detections_warns(annotation_file, caplog, monkeypatch):
    # mmengine's logger is no child of the root logger, where caplog listens.
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    samples = samples_for(json.loads(annotation_file.read_text()), np.zeros((0, 7)), ("cat",))
    for batch in (samples, []):
        metric = metric_for(annotation_file)
        metric.process({}, batch)
        assert metric.evaluate(len(samples))["coco/AP"] == 0.0
        assert "no detections" in caplog.text
        caplog.clear()


def test_metric_keeps_the_first_of_a_repeated_image(annotation_file):
    gt = json.loads(annotation_file.read_text())
    samples = samples_for(gt, make_detections(gt, 15), ("cat", "dog", "owl"))
    empty = samples_for(gt, np.zeros((0, 7)), ("cat", "dog", "owl"))
    metric = metric_for(annotation_file)
    metric.process({}, samples)
    alone = metric.evaluate(len(samples))
    metric.process({}, samples + empty[:3])
    assert metric.evaluate(len(samples) + 3) == alone


@pytest.mark.parametrize(
    ("classes", "word"),
    [
        (("cat", "dog"), "2 classes but .* has 3"),
        (("cat", "dog", "owl", "bat"), "'bat' is not among the 3 categories"),
        (("cat", "dog", "Owl"), "did you mean 'owl'"),
    ],
)
def test_metric_refuses_other_classes(annotation_file, classes, word):
    with pytest.raises(InputError, match=word):
        metric_for(annotation_file, classes)


def test_metric_scores_a_subset_on_request(annotation_file):
    gt = json.loads(annotation_file.read_text())
    rows = make_detections(gt, 16)
    rows = rows[rows[:, 6] != 40]
    samples = samples_for(gt, rows, ("dog", "cat"))
    metric = metric_for(annotation_file, ("dog", "cat"), subset=True, classwise=False)
    metric.process({}, samples)
    result = metric.evaluate(len(samples))
    assert set(result) == {f"coco/{name}" for name in STATISTICS}
    assert result["coco/AP50"] == evaluate_coco(gt, rows, class_names=["cat", "dog"]).stats["AP50"]


def test_metric_refuses_a_label_without_class(annotation_file):
    gt = json.loads(annotation_file.read_text())
    samples = samples_for(gt, make_detections(gt, 17), ("cat", "dog", "owl"))
    samples[2]["pred_instances"]["labels"][0] = 79
    metric = metric_for(annotation_file)
    metric.process({}, samples)
    with pytest.raises(InputError, match=r"class number 79 .* 3 classes"):
        metric.evaluate(len(samples))


def test_saved_detections_give_the_same_scores(annotation_file, tmp_path):
    gt = json.loads(annotation_file.read_text())
    samples = samples_for(gt, make_detections(gt, 18), ("cat", "dog", "owl"))
    saved = tmp_path / "out" / "detections.json"
    metric = metric_for(annotation_file, save_detections=saved)
    metric.process({}, samples)
    result = metric.evaluate(len(samples))
    for backend in BACKENDS:
        again = evaluate_coco(annotation_file, saved, backend=backend)
        assert again.stats == {name: result[f"coco/{name}"] for name in STATISTICS}
    assert [file.name for file in saved.parent.iterdir()] == ["detections.json"]


TWO_RANKS = """
import json, sys
from pathlib import Path
import torch.distributed
sys.path.insert(0, sys.argv[1])
import coco_samples
import test_det_coco_metric as t
rank = int(sys.argv[2])
torch.distributed.init_process_group("gloo")
gt = coco_samples.make_set(11, num_images=7)
samples = t.samples_for(gt, coco_samples.make_detections(gt, 3), ("cat", "dog", "owl"))
padded = samples + samples[:1]  # as mmengine's sampler pads 7 images for two ranks
metric = t.metric_for(Path(sys.argv[3]))
metric.process({}, padded[rank::2])
result = metric.evaluate(len(samples))
Path(f"{sys.argv[3]}.{rank}").write_text(json.dumps(result))
torch.distributed.destroy_process_group()  # its threads abort a process that ends with them
"""


@pytest.mark.slow
def test_two_ranks_equal_one(tmp_path, run_two_ranks):
    gt = make_set(11, num_images=7)
    file = tmp_path / "val.json"
    file.write_text(json.dumps(gt))
    samples = samples_for(gt, make_detections(gt, 3), ("cat", "dog", "owl"))
    metric = metric_for(file)
    metric.process({}, samples)
    alone = metric.evaluate(len(samples))
    run_two_ranks(TWO_RANKS, Path(__file__).parent, file)
    for rank in range(2):
        assert json.loads(Path(f"{file}.{rank}").read_text()) == alone
