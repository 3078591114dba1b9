"""The boundary F-score against its definition, written with all distances."""

import numpy as np
import pytest
from mask_samples import IGNORED, make_maps, samples_of

from mnv4_vision.seg.evaluation import SegmentationMetric
from mnv4_vision.seg.evaluation.boundary import TOLERANCE, boundary_f_scores

SIZE = 400  # tolerance: 4.24 px


def outline(region: np.ndarray) -> np.ndarray:
    """Pixels `(N, 2)` of a region with a neighbour outside of it and inside the image."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.argwhere(region & ~inner)


def reference(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    radius = 0.0075 * np.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2)
    scores = np.full(num_classes, np.nan)
    for k in range(num_classes):
        wanted = outline(truth == k)
        drawn = outline((prediction == k) & (truth != IGNORED))
        if len(wanted) and len(drawn):
            distances = np.linalg.norm(wanted[:, None] - drawn[None], axis=2)
            precision = (distances.min(axis=0) <= radius).mean()
            recall = (distances.min(axis=1) <= radius).mean()
            total = precision + recall
            scores[k] = 2 * precision * recall / total if total else 0.0
        elif len(wanted) or len(drawn):
            scores[k] = 0.0
    return scores


def square(low: int, high: int, *, right: int = 0) -> np.ndarray:
    labels = np.zeros((SIZE, SIZE), dtype=np.uint8)
    labels[low:high, low : high + right] = 1
    return labels


@pytest.mark.parametrize("ignored", [0.0, 0.02])
@pytest.mark.parametrize(("height", "width"), [(4, 4), (9, 5)])
def test_equals_the_definition(height, width, ignored):
    """Enlarged, so that the tolerance is 1 to 4 pixels and outlines are long."""
    scores = []
    for truth, prediction in make_maps(1, 2, num_classes=5, ignored=ignored):
        truth, prediction = (m.repeat(height, 0).repeat(width, 1) for m in (truth, prediction))
        ours, expected = (f(truth, prediction, 6) for f in (boundary_f_scores, reference))
        np.testing.assert_allclose(ours, expected, rtol=1e-14)
        scores += ours[:5].tolist()
    assert 0 < min(scores) < max(scores) < 1


def test_tolerance_is_a_share_of_the_diagonal():
    radius = int(TOLERANCE * SIZE * np.sqrt(2))
    assert radius == 4
    assert boundary_f_scores(square(50, 90), square(50, 90, right=radius), 2)[1] == 1.0
    # One edge of four is wrong then, but for its ends, which are near the others.
    score = boundary_f_scores(square(50, 90), square(50, 90, right=radius + 1), 2)[1]
    assert 0.75 < score < 0.85


def test_outline_far_away_scores_nothing():
    assert boundary_f_scores(square(50, 90), square(200, 240), 2).tolist() == [0.0, 0.0]


def test_class_on_one_side_scores_zero_and_on_none_is_undefined():
    scores = boundary_f_scores(square(50, 90), square(0, 0), 3)
    assert scores[:2].tolist() == [0.0, 0.0]
    assert np.isnan(scores[2])
    assert np.isnan(boundary_f_scores(square(0, 0), square(0, 0), 2)).all()


def test_prediction_where_nothing_is_annotated_does_not_matter():
    truth, prediction = square(50, 90), square(50, 90)
    truth[300:, :] = IGNORED
    clean = boundary_f_scores(truth, prediction, 3)
    prediction[310:350, 20:60] = 2
    np.testing.assert_array_equal(boundary_f_scores(truth, prediction, 3), clean)
    assert clean[:2].tolist() == [1.0, 1.0]


def test_void_ribbon_around_an_object():
    """Pascal VOC's: the object ends at the ribbon, in the masks and in a good prediction."""
    truth = square(50, 90)
    truth[45:95, 45:95] = np.where(truth[45:95, 45:95] == 1, 1, IGNORED)
    assert boundary_f_scores(truth, square(47, 92), 2)[1] == 1.0
    assert boundary_f_scores(truth, square(60, 80), 2)[1] == 0.0


def test_mean_is_over_the_images_of_a_class_then_over_classes():
    pairs = [(square(50, 90), square(50, 90)), (square(50, 90), square(0, 0))]
    pairs.append((square(0, 0), square(0, 0)))  # no outlines: counts for nothing
    metric = SegmentationMetric()
    metric.dataset_meta = {"classes": ("ground", "thing", "other")}
    metric.process({}, samples_of(pairs))
    metrics = metric.evaluate(3)
    assert metric.scores.boundary_f[:2].tolist() == [0.5, 0.5]
    assert np.isnan(metric.scores.boundary_f[2])
    assert metrics["seg/boundaryF"] == 0.5
