"""Scores against the published ones, against pycocotools, and what must never pass silently."""

import json
from pathlib import Path

import numpy as np
import pytest
from coco_samples import make_detections, make_set
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.det.evaluation.coco_files import read_ground_truth
from mnv4_vision.det.evaluation.scores import BACKENDS, STATISTICS, evaluate_coco, format_table

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "coco_eval_refs"


def reference(name: str) -> Path:
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"reference data {path} is not there")
    return path


@pytest.mark.parametrize("backend", BACKENDS)
def test_published_numbers(backend):
    scores = evaluate_coco(
        reference("instances_val2014_100.json"),
        reference("instances_val2014_fakebbox100_results.json"),
        backend=backend,
    )
    expected = json.loads(reference("expected_val2014_100.json").read_text())["bbox"]
    assert list(scores.stats) == list(expected) == list(STATISTICS)
    assert {name: round(value, 6) for name, value in scores.stats.items()} == expected
    assert scores.num_images == 100


def test_file_content_and_rows_agree():
    gt = reference("instances_val2014_100.json")
    results = reference("instances_val2014_fakebbox100_results.json")
    content = json.loads(results.read_text())
    rows = np.array([[d["image_id"], *d["bbox"], d["score"], d["category_id"]] for d in content])
    scores = [
        evaluate_coco(truth, detections)
        for truth in (gt, json.loads(gt.read_text()), read_ground_truth(gt))
        for detections in (results, content, rows)
    ]
    assert all(score == scores[0] for score in scores)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decimals", [1, 6])
def test_backends_agree_to_the_last_bit(seed, decimals):
    gt = make_set(seed, num_images=12 + 9 * seed, area=seed != 3)
    rows = make_detections(gt, seed + 50, decimals=decimals)
    ids = [image["id"] for image in gt["images"]]
    for options in (
        {},
        {"class_names": ["owl", "cat"]},
        {"image_ids": ids[::2]},
        {"class_names": ["dog"], "image_ids": ids[:1]},
    ):
        fast, slow = (evaluate_coco(gt, rows, backend=name, **options) for name in BACKENDS)
        assert fast == slow
    assert 0.05 < evaluate_coco(gt, rows).stats["AP"] < 0.95


@pytest.mark.parametrize("seed", range(3))
def test_last_bit_of_long_averages(seed):
    """Averages over many classes, where the order of a sum shows."""
    gt = make_set(seed, num_images=40, num_classes=37)
    rows = make_detections(gt, seed + 70, decimals=3)
    fast, slow = (evaluate_coco(gt, rows, backend=name) for name in BACKENDS)
    assert fast == slow


def test_more_than_100_detections_per_image():
    gt = make_set(9, num_images=6)
    rows = make_detections(gt, 10, copies=120)
    assert max(np.unique(rows[:, 0], return_counts=True)[1]) > 100
    fast, slow = (evaluate_coco(gt, rows, backend=name) for name in BACKENDS)
    assert fast == slow
    assert fast.stats["AR1"] < fast.stats["AR10"] < fast.stats["AR100"]


def test_equals_plain_pycocotools(capsys):
    """The reference backend prepares columns of its own; the unprepared API is the judge."""
    gt = make_set(5)
    for annotation in gt["annotations"]:
        annotation["id"] += 1  # pycocotools takes a match with id 0 for no match
    rows = make_detections(gt, 6)
    truth = COCO()
    truth.dataset = gt
    truth.createIndex()
    judge = COCOeval(truth, truth.loadRes(rows), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    for backend in BACKENDS:
        assert list(evaluate_coco(gt, rows, backend=backend).stats.values()) == list(judge.stats)


@pytest.mark.parametrize("backend", BACKENDS)
def test_perfect_detections_score_one(backend):
    gt = make_set(1, crowds=False)
    rows = np.array([[a["image_id"], *a["bbox"], 0.5, a["category_id"]] for a in gt["annotations"]])
    scores = evaluate_coco(gt, rows, backend=backend)
    assert all(scores.stats[name] == 1.0 for name in ("AP", "AP50", "AP75", "AR100"))
    counts = {name: row["count"] for name, row in scores.per_class.items()}
    assert sum(counts.values()) == len(gt["annotations"])
    assert list(counts) == ["cat", "dog", "owl"]  # the file's order, not that of the ids


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("nothing", [[], np.zeros((0, 7))], ids=["list", "array"])
def test_no_detections_score_zero(backend, nothing):
    scores = evaluate_coco(make_set(2), nothing, backend=backend)
    assert scores.stats["AP"] == scores.stats["AR100"] == 0.0
    assert all(row["AP"] == 0.0 for row in scores.per_class.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_boxes_are_undefined_not_zero(backend):
    gt = {**make_set(2), "annotations": []}
    image = gt["images"][0]["id"]
    scores = evaluate_coco(gt, np.array([[image, 1, 1, 9, 9, 0.5, 7]]), backend=backend)
    assert set(scores.stats.values()) == {-1.0}
    assert "-1" not in format_table(scores)


def test_table_shows_every_number():
    gt = make_set(3)
    scores = evaluate_coco(gt, make_detections(gt, 4), class_names=["owl", "cat"])
    lines = format_table(scores).splitlines()
    assert [line.split()[0] for line in lines[:12]] == list(STATISTICS)
    assert f"{scores.stats['AP75']:.4f}" in lines[2]
    assert [line.split()[0] for line in lines[-2:]] == ["owl", "cat"]
    assert lines[-1].split()[-1] == str(scores.per_class["cat"]["count"])
    assert lines[-1].split()[3] == f"{scores.per_class['cat']['AP75']:.4f}"


def test_dataset_whose_first_annotation_has_id_zero():
    """Roboflow and others count from 0; plain pycocotools never matches that box."""
    gt = make_set(1, crowds=False)
    gt["annotations"] = [{**gt["annotations"][0], "id": 0}]
    row = gt["annotations"][0]
    rows = np.array([[row["image_id"], *row["bbox"], 0.9, row["category_id"]]])
    for backend in BACKENDS:
        assert evaluate_coco(gt, rows, backend=backend).stats["AP"] == pytest.approx(1.0)


BROKEN_SETS = {
    "not an object": (lambda gt: [gt], "top level"),
    "no categories": (lambda gt: {**gt, "categories": None}, "categories"),
    "no images": (lambda gt: {**gt, "images": []}, "images"),
    "text id": (lambda gt: {**gt, "images": [{"id": "a1"}]}, "a1"),
    "id beyond float64": (lambda gt: {**gt, "images": [{"id": 2**53 + 1}]}, "no integer id from 0"),
    "half a character as name": (
        lambda gt: {**gt, "categories": [{"id": 3, "name": "\ud800"}]},
        "category 3 has no name",
    ),
    "text as crowd": (  # true in Python
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "iscrowd": "0"}]},
        "annotation 3 has iscrowd '0'",
    ),
    "box beyond float64": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "bbox": [1, 2, 10**400, 4]}]},
        "annotation 3",
    ),
    "double id": (lambda gt: {**gt, "images": gt["images"] * 2}, "2 times"),
    "strange image": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "image_id": 9999}]},
        "9999",
    ),
    "strange category": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "category_id": 99}]},
        "99",
    ),
    "list as image": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "image_id": [1]}]},
        r"annotation 3 belongs to image \[1\]",
    ),
    "short box": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "bbox": [1, 2, 3]}]},
        "annotation 3",
    ),
    "box without number": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "bbox": [1, 2, 3, None]}]},
        "annotation 3",
    ),
    "box that is not finite": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "bbox": [1, 2, np.nan, 4]}]},
        "annotation 3",
    ),
    "area that is no number": (
        lambda gt: {**gt, "annotations": [{**gt["annotations"][3], "area": "large"}]},
        "annotation 3 has area 'large'",
    ),
    "no box": (
        lambda gt: {**gt, "annotations": [{"id": 3, "image_id": 1, "category_id": 2}]},
        "bbox",
    ),
}


@pytest.mark.parametrize("case", BROKEN_SETS)
def test_broken_annotations_name_the_record(case, tmp_path):
    damage, word = BROKEN_SETS[case]
    file = tmp_path / "val.json"
    file.write_text(json.dumps(damage(make_set(0))))
    with pytest.raises(InputError, match=word) as error:
        evaluate_coco(file, [])
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        (0, 12345678, "image_id 12345678,"),
        (6, 0, "category_id 0"),
        (6, 2.5, "category_id 2.5"),
        (5, np.nan, "not finite"),
        (3, np.inf, "not finite"),
    ],
)
def test_inconsistent_detections_are_refused(backend, column, value, word):
    gt = make_set(0)
    rows = make_detections(gt, 0)
    rows[5, column] = value
    with pytest.raises(InputError, match=word):
        evaluate_coco(gt, rows, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[{"image_id": 1, ', "broken JSON at line 1"),
        ("", "the detections file is empty"),
        ('{"annotations": []}', "list of detections"),
        ('[{"image_id": 1}]', "detection 0 has no 'category_id'"),
        (
            '[{"image_id": 99999, "bbox": [1, 1, 2, 2], "score": 1, "category_id": 7}]',
            "image_id 99999",
        ),
    ],
)
def test_broken_detections_file(backend, text, word, tmp_path):
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(InputError, match=word) as error:
        evaluate_coco(make_set(0), file, backend=backend)
    assert str(file) in str(error.value)


@pytest.mark.parametrize("backend", BACKENDS)
def test_missing_files(backend, tmp_path):
    with pytest.raises(MissingFileError, match=r"nope\.json"):
        evaluate_coco(tmp_path / "nope.json", [], backend=backend)
    with pytest.raises(MissingFileError, match=r"nope\.json"):
        evaluate_coco(make_set(0), tmp_path / "nope.json", backend=backend)


def test_unknown_names():
    with pytest.raises(InputError, match="did you mean 'hotcoco'"):
        evaluate_coco(make_set(0), [], backend="hotkoko")
    with pytest.raises(InputError, match="did you mean 'dog'"):
        evaluate_coco(make_set(0), [], class_names=["cat", "dogs"])
    with pytest.raises(InputError, match=r"rows of 7 .*\(1, 6\)"):
        evaluate_coco(make_set(0), np.zeros((1, 6)))


def test_categories_that_share_a_name():
    gt = make_set(0)
    gt["categories"][2]["name"] = "dog"
    scores = evaluate_coco(gt, make_detections(gt, 1))
    assert list(scores.per_class) == ["cat", "dog (id 2)", "dog (id 40)"]
    with pytest.raises(InputError, match="several categories named 'dog'"):
        evaluate_coco(gt, [], class_names=["dog"])
