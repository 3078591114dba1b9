"""Spoilt detections files: scored, or refused by name."""

import json
import random

import numpy as np
import pytest
from fuzz_mutators import BYTES, ENCODINGS, JSON, cases, dump, other_root
from fuzz_oracle import survive
from fuzz_sets import make_coco

from mnv4_vision.det.evaluation.report import evaluate_files, write_metrics, write_report
from mnv4_vision.det.evaluation.scores import format_table

VALUES = cases("detections", JSON, 8) + cases("detections", {"root": other_root}, 6)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    root = make_coco(tmp_path_factory.mktemp("healthy") / "coco")
    return root / "annotations" / "instances_val.json"


def detections() -> list[dict]:
    rng = random.Random(0)
    return [
        {
            "image_id": rng.choice((1, 2, 3)),
            "category_id": rng.choice((3, 7)),
            "bbox": [rng.uniform(0, 40), rng.uniform(0, 30), rng.uniform(2, 30), 12.5],
            "score": rng.random(),
        }
        for _ in range(8)
    ]


def evaluate(annotations, file, out) -> None:
    """What `tools/evaluate.py` does."""
    evaluation = evaluate_files(annotations, file)
    assert format_table(evaluation.scores)
    write_metrics(out / "metrics.json", evaluation.scores)
    assert all(np.isfinite(value) for value in evaluation.scores.stats.values())


def check(annotations, tmp_path, data) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "detections.json"
    file.write_bytes(data)
    out = tmp_path / "out"
    message = survive(lambda: evaluate(annotations, file, out), file.parent, file.name)
    assert (out / "metrics.json").exists() == (message is None)


@pytest.mark.parametrize("case", VALUES, ids=lambda case: case.name)
def test_values(healthy, tmp_path, case):
    check(healthy, tmp_path, dump(case.mutate(case.rng(), detections())))


@pytest.mark.parametrize(
    "case", cases("detections-bytes", BYTES | ENCODINGS, 2), ids=lambda case: case.name
)
def test_bytes(healthy, tmp_path, case):
    data = json.dumps(detections(), indent=1).encode()
    check(healthy, tmp_path, case.mutate(case.rng(), data))


@pytest.mark.parametrize("case", cases("report", {"swap": JSON["swap"]}, 3), ids=lambda c: c.name)
def test_reports(healthy, tmp_path, case):
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "detections.json"
    file.write_bytes(dump(case.mutate(case.rng(), detections())))

    def report():
        write_report(tmp_path / "out" / "report.html", evaluate_files(healthy, file))

    survive(report, file.parent, file.name)
