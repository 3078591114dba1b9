"""Matching against COCO's own results, and errors counted by hand."""

import numpy as np
import pytest
from coco_samples import make_detections, make_set

from mnv4_vision.det.evaluation import matching
from mnv4_vision.det.evaluation.analysis import ERROR_KINDS, analyse
from mnv4_vision.det.evaluation.coco_files import read_ground_truth
from mnv4_vision.det.evaluation.matching import find_pairs, match
from mnv4_vision.det.evaluation.scores import evaluate_coco, hotcoco_evaluator, select_categories

CATEGORIES = [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}]
CAT, DOG = 5, 2


def scene(boxes, detections, num_images=1):
    """Annotations `(image, x, category[, crowd])` of 10 x 10 px and what `analyse` says.

    A detection is `(image, x, category, score)`: shifted by 2.5 px of its box it has IoU 0.6, by
    5 px 0.33, by 9 px 0.05.
    """
    gt = {
        "images": [{"id": i, "file_name": f"{i}.jpg"} for i in range(num_images)],
        "categories": CATEGORIES,
        "annotations": [
            {"id": i, "image_id": image, "category_id": category, "bbox": [x, 0, 10, 10],
             "iscrowd": int(bool(crowd))}
            for i, (image, x, category, *crowd) in enumerate(boxes)
        ],
    }  # fmt: skip
    gt = read_ground_truth(gt)
    rows = np.array([[i, x, 0, 10, 10, score, c] for i, x, c, score in detections], dtype=float)
    return analyse(gt, rows.reshape(-1, 7), select_categories(gt))


def average_precision(scores, hits, num_boxes):
    """COCO's AP at one IoU: precision made monotone, averaged over 101 recalls."""
    hits = np.cumsum(hits[np.argsort(-scores)])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    index = np.searchsorted(hits / num_boxes, np.linspace(0, 1, 101), side="left")
    return np.append(precision, 0)[index].mean()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("chunk", [7, 4_000_000])
def test_matches_give_cocos_ap50(seed, chunk, monkeypatch):
    monkeypatch.setattr(matching, "CHUNK", chunk)
    content = make_set(seed)
    rows = make_detections(content, seed + 20, decimals=12)
    gt = read_ground_truth(content)
    pairs = find_pairs(rows[:, 0], rows[:, 1:5], gt.image_ids, gt.boxes, gt.iscrowd, 0.1)
    same = rows[pairs.detection, 6] == gt.category_ids[pairs.truth]
    matched = match(pairs[same], rows[:, 5], gt.iscrowd, 0.5)
    scores = evaluate_coco(gt, rows)
    for name, number in select_categories(gt).items():
        own = (rows[:, 6] == number) & ~((matched >= 0) & (gt.iscrowd[matched] == 1))
        boxes = ((gt.category_ids == number) & (gt.iscrowd == 0)).sum()
        ours = average_precision(rows[own, 5], matched[own] >= 0, boxes)
        assert ours == pytest.approx(scores.per_class[name]["AP50"], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_confusion_equals_hotcocos(seed):
    content = make_set(seed, num_classes=6, crowds=False)
    rows = make_detections(content, seed + 30, decimals=12)
    gt = read_ground_truth(content)
    categories = select_categories(gt)
    ours = analyse(gt, rows, categories, score_threshold=0.3).confusion
    images = sorted(image["id"] for image in gt.images)
    evaluator = hotcoco_evaluator(gt, rows, sorted(categories.values()), images)
    theirs = evaluator.confusion_matrix(iou_thr=0.5, max_det=100, min_score=0.3)
    order = [theirs["cat_ids"].index(number) for number in categories.values()] + [6]
    assert np.array_equal(ours, theirs["matrix"].astype(int)[np.ix_(order, order)])
    assert ours[:-1, :-1].sum() > np.trace(ours[:-1, :-1]) > 0


KINDS = {  # boxes, detections -> errors beside the hits
    "hit": ([(0, 0, CAT)], [(0, 2.5, CAT, 0.9)], {}),
    "background": ([(0, 0, CAT)], [(0, 0, CAT, 0.9), (0, 9, CAT, 0.8)], {"background": 1}),
    "localisation": ([(0, 0, CAT)], [(0, 5, CAT, 0.9)], {"localisation": 1}),
    "classification": ([(0, 0, CAT)], [(0, 0, DOG, 0.9)], {"classification": 1}),
    "both": ([(0, 0, CAT)], [(0, 5, DOG, 0.9)], {"both": 1, "missed": 1}),
    "duplicate": ([(0, 0, CAT)], [(0, 1, CAT, 0.8), (0, 0, CAT, 0.9)], {"duplicate": 1}),
    "missed": ([(0, 0, CAT)], [], {"missed": 1}),
    "too unsure": ([(0, 0, CAT)], [(0, 0, CAT, 0.29), (0, 99, DOG, 0.1)], {"missed": 1}),
    "another image": (
        [(0, 0, CAT)],
        [(1, 0, CAT, 0.9)],
        {"missed": 1, "background": 1},
    ),
    "crowd": ([(0, 0, CAT, 1)], [(0, 0, CAT, 0.9), (0, 1, CAT, 0.8)], {}),
}


@pytest.mark.parametrize("case", KINDS)
def test_kinds_of_error(case):
    boxes, detections, expected = KINDS[case]
    found = scene(boxes, detections, num_images=2)
    assert {kind: count for kind, count in found.errors.items() if count} == expected
    assert set(found.errors) == set(ERROR_KINDS)


def test_confusion_by_hand():
    boxes = [(0, 0, CAT), (0, 50, DOG), (0, 100, DOG), (0, 200, CAT, 1)]
    detections = [
        (0, 0, DOG, 0.9),  # the cat taken for a dog
        (0, 50, DOG, 0.8),
        (0, 51, CAT, 0.7),  # second on the same dog: on nothing
        (0, 201, DOG, 0.6),  # in the crowd, whatever its class
        (0, 100, DOG, 0.2),  # below the threshold
    ]
    assert scene(boxes, detections).confusion.tolist() == [[0, 1, 0], [0, 1, 1], [1, 0, 0]]


def test_best_f1_keeps_equal_scores_together():
    boxes = [(0, 0, CAT), (0, 50, CAT), (0, 100, CAT), (0, 150, CAT)]
    detections = [(0, 0, CAT, 0.9), (0, 50, CAT, 0.5), (0, 300, CAT, 0.5), (0, 400, CAT, 0.4)]
    points = scene(boxes, detections).operating_points
    best = points["cat"]
    assert (best.threshold, best.precision, best.recall) == (0.5, 2 / 3, 0.5)
    assert best.f1 == pytest.approx(2 * (2 / 3) * 0.5 / (2 / 3 + 0.5))
    assert points["dog"] is None


def test_worst_first():
    boxes = [(0, 0, CAT), (1, 0, CAT), (1, 50, DOG)]
    detections = [(0, 30, CAT, 0.6), (1, 80, DOG, 0.9), (0, 60, CAT, 0.7), (1, 90, CAT, 0.31)]
    found = scene(boxes, detections, num_images=2)
    assert found.false_positives.tolist() == [1, 2, 0, 3]
    assert found.misses.tolist() == [0, 2, 1]  # classes in turn


def test_misses_are_ranked_by_area():
    content = make_set(3, crowds=False)
    gt = read_ground_truth(content)
    found = analyse(gt, np.zeros((0, 7)), select_categories(gt))
    firsts = found.misses[:3]
    assert len(set(gt.category_ids[firsts])) == 3
    for index in firsts:
        assert gt.area[index] == gt.area[gt.category_ids == gt.category_ids[index]].max()
    assert sorted(found.misses) == list(range(len(gt.area)))


def test_classification_error_covers_its_object():
    """TIDE counts an object as missed only where no wrong class and no loose box is on it."""
    found = scene([(0, 0, CAT), (0, 50, CAT)], [(0, 0, DOG, 0.9)])
    assert found.errors["missed"] == 1
    assert len(found.misses) == 2  # but both are worth a look


def test_degenerate_boxes_do_not_divide_by_zero():
    gt = {"images": [{"id": 1}], "categories": CATEGORIES,
          "annotations": [{"image_id": 1, "category_id": CAT, "bbox": [5, 5, 0, 0]}]}  # fmt: skip
    gt = read_ground_truth(gt)
    with np.errstate(all="raise"):
        found = analyse(gt, np.array([[1, 5, 5, 0, 0, 0.9, CAT]]), select_categories(gt))
    assert found.errors["background"] == found.errors["missed"] == 1
