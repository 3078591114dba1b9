"""tools/evaluate.py: published numbers from files, the report page, one line for bad input."""

import base64
import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mnv4_vision.datasets import make_demo
from mnv4_vision.det.evaluation.scores import STATISTICS

TOOLS = Path(__file__).resolve().parents[2] / "tools"
REFERENCE = TOOLS.parent.parent / "shared" / "data" / "coco_eval_refs"


@pytest.fixture
def evaluate(monkeypatch, capsys):
    """Run the tool with these arguments; return its status, stdout and stderr."""
    monkeypatch.setattr(sys, "path", [str(TOOLS), *sys.path])

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(TOOLS / "evaluate.py"), run_name="__main__")
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def files(tmp_path):
    """Two images, two classes with ids 1 and 2, and a detection of each."""
    annotations = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 60, "height": 40} for i in (1, 2)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": i, "bbox": [20 * i, 5, 15, 15], "area": 225,
             "iscrowd": 0}
            for i in (1, 2)
        ],
    }  # fmt: skip
    detections = [
        {"image_id": 1, "category_id": c, "bbox": [20 * c, 5, 15, 15], "score": 0.9} for c in (1, 2)
    ]
    for name, content in (("gt", annotations), ("dt", detections)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_published_numbers(evaluate, tmp_path):
    if not REFERENCE.is_dir():
        pytest.skip(f"reference data {REFERENCE} is not there")
    status, out, _ = evaluate(
        REFERENCE / "instances_val2014_100.json",
        REFERENCE / "instances_val2014_fakebbox100_results.json",
        "--out",
        tmp_path / "new" / "folder",
    )
    assert status == 0
    metrics = json.loads((tmp_path / "new" / "folder" / "metrics.json").read_text())
    expected = json.loads((REFERENCE / "expected_val2014_100.json").read_text())["bbox"]
    assert {name: round(metrics[name], 6) for name in STATISTICS} == expected
    assert metrics["AP"] != expected["AP"], "unrounded"
    assert f"AP    {metrics['AP']:.4f}" in out
    assert metrics["per_class"]["person"]["count"] > 100
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["metrics.json"]


def test_report_shows_pictures_and_can_be_written_again(evaluate, tmp_path):
    root = make_demo(tmp_path / "demo", train=1, val=4, image_size=96)
    annotations = root / "annotations" / "instances_val.json"
    content = json.loads(annotations.read_text())
    boxes = content["annotations"][1:]  # the first one is missed
    first, second = (c["id"] for c in content["categories"][:2])
    rows = [{**{k: b[k] for k in ("image_id", "category_id", "bbox")}, "score": 0.8} for b in boxes]
    other = first if rows[0]["category_id"] != first else second
    rows[0]["category_id"] = other
    (tmp_path / "dt.json").write_text(json.dumps(rows))
    args = (annotations, tmp_path / "dt.json", "--out", tmp_path / "out", "--images", root / "val")
    for _ in range(2):
        status, out, _ = evaluate(*args)
        assert status == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert str(tmp_path / "out" / "report.html") in out
    assert page.count("data:image/jpeg") >= 2
    assert page.count("data:image/png") == 2
    assert "0.80, classification" in page
    assert " missed, " in page
    assert "no picture" not in page
    assert len(page) < 1_000_000
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"metrics.json", "report.html"}


def test_damaged_picture_is_named_and_the_report_goes_on(evaluate, files):
    rows = [{"image_id": i, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.9} for i in (1, 2)]
    (files / "dt.json").write_text(json.dumps(rows))
    (files / "img").mkdir()
    cv2.imwrite(str(files / "img" / "2.jpg"), np.zeros((40, 60, 3), np.uint8))
    status, _, _ = evaluate(
        files / "gt.json", files / "dt.json", "--out", files / "out", "--images", files / "img"
    )
    page = (files / "out" / "report.html").read_text()
    assert status == 0
    assert page.count("data:image/jpeg") == 1
    assert f"no picture: image {files / 'img' / '1.jpg'} does not exist" in page


def test_nothing_detected_is_zero_with_a_warning(evaluate, files):
    (files / "dt.json").write_text("[]")
    status, _, err = evaluate(files / "gt.json", files / "dt.json", "--out", files, "--report")
    metrics = json.loads((files / "metrics.json").read_text())
    assert status == 0
    assert "warning: " in err
    assert metrics["AP"] == metrics["AR100"] == 0
    assert metrics["APl"] == -1  # no large object: undefined, as pycocotools says it
    assert metrics["num_images"] == 2


def test_images_without_detections_count(evaluate, files):
    whole = json.loads((files / "gt.json").read_text())
    whole["annotations"].append({**whole["annotations"][0], "id": 3, "image_id": 2})
    (files / "gt.json").write_text(json.dumps(whole))
    evaluate(files / "gt.json", files / "dt.json", "--out", files)
    assert json.loads((files / "metrics.json").read_text())["AR100"] == 0.75


RECORD = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
BAD = {
    "unknown image": ([RECORD, {**RECORD, "image_id": 77}], ["detection 1 has image_id 77"]),
    "unknown class": ([{**RECORD, "category_id": 9}], ["detection 0 has category_id 9"]),
    "classes from 0": (
        [RECORD, {**RECORD, "category_id": 0}],
        ["detection 1 has category_id 0", "count from 0: add 1"],
    ),
    "no score": ([{k: v for k, v in RECORD.items() if k != "score"}], ["0 has no 'score'"]),
    "null score": ([RECORD, {**RECORD, "score": None}], ["detection 1 has score None"]),
    "text score": ([RECORD, {**RECORD, "score": "0.5"}], ["detection 1 has score '0.5'"]),
    "NaN": ([{**RECORD, "score": float("nan")}], ["detection 0", "not finite"]),
    "short box": ([RECORD, {**RECORD, "bbox": [1, 2, 3]}], ["detection 1 has bbox [1, 2, 3]"]),
    "no box": ([{k: v for k, v in RECORD.items() if k != "bbox"}], ["0 has bbox None"]),
    "box of text": ([{**RECORD, "bbox": "1234"}], ["0 has bbox '1234'"]),
    "text as image": ([{**RECORD, "image_id": "1"}], ["0 has image_id '1'"]),
    "huge number": ([{**RECORD, "image_id": 10**400}], ["too large"]),
    "no object": ([RECORD, 3], ["detection 1 is 3"]),
    "no list": ({"annotations": [RECORD]}, ["must be a list", "got dict"]),
    "infer.py's": ([{"file": "a.jpg", "detections": []}], ["infer.py", "tools/test.py --report"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_detections_end_in_one_line_and_write_nothing(case, evaluate, files):
    content, words = BAD[case]
    (files / "dt.json").write_text(json.dumps(content))
    status, out, err = evaluate(files / "gt.json", files / "dt.json", "--out", files / "out")
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert str(files / "dt.json") in err
    assert all(word in err for word in words)
    assert not (files / "out").exists()


def test_score_threshold_means_the_report(evaluate, files):
    options = ("--out", files / "out", "--score-threshold", "0.95")
    assert evaluate(files / "gt.json", files / "dt.json", *options)[0] == 0
    page = (files / "out" / "report.html").read_text()
    assert "at least 0.95" in page
    assert '<td>missed</td><td class="number">2</td>' in page


def test_report_without_boxes_and_with_names_that_no_font_has(evaluate, files, recwarn):
    content = json.loads((files / "gt.json").read_text())
    content["categories"] = [{"id": 1, "name": "<b>猫"}, {"id": 2, "name": "glossy $x$"}]
    content["annotations"] = []
    (files / "gt.json").write_text(json.dumps(content))
    status, _, err = evaluate(files / "gt.json", files / "dt.json", "--out", files, "--report")
    page = (files / "report.html").read_text()
    assert status == 0
    assert err == ""
    assert not [w for w in recwarn if "Glyph" in str(w.message)]
    assert "Names in the charts: class 0: &lt;b&gt;猫</p>" in page
    assert '<td>background</td><td class="number">2</td>' in page


def test_picture_is_turned_as_it_was_annotated(evaluate, files):
    """The file says "turn me"; the annotations' size says that nobody did."""
    exif = Image.Exif()
    exif[0x0112] = 6
    (files / "img").mkdir()
    for i in (1, 2):
        Image.new("RGB", (60, 40)).save(files / "img" / f"{i}.jpg", exif=exif)
    (files / "dt.json").write_text(json.dumps([RECORD]))
    options = ("--out", files, "--images", files / "img")
    assert evaluate(files / "gt.json", files / "dt.json", *options)[0] == 0
    jpeg = re.search(r"data:image/jpeg;base64,([^\"]+)", (files / "report.html").read_text())[1]
    height, width = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), 1).shape[:2]
    assert width > 2 * 60
    assert height < 60


def test_missing_folder_of_images_ends_at_once(evaluate, files):
    status, _, err = evaluate(
        files / "gt.json", files / "dt.json", "--out", files / "out", "--images", files / "no"
    )
    assert status == 2
    assert str(files / "no") in err
    assert not (files / "out").exists()


def test_duplicates_are_fine(evaluate, files):
    (files / "dt.json").write_text(json.dumps([RECORD, RECORD]))
    assert evaluate(files / "gt.json", files / "dt.json", "--out", files)[0] == 0
