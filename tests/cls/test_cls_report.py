"""The report page and metrics.json about an evaluation of a classifier."""

import json
import re
from base64 import b64decode
from pathlib import Path

import cv2
import numpy as np
import pytest
from class_samples import make_outcomes, samples_of

from mnv4_vision.cls.evaluation import ClassificationMetric, report_writer
from mnv4_vision.cls.evaluation.charts import OTHERS, draw_largest_confusions, most_confused
from mnv4_vision.core.errors import InputError

NAMES = ("coat", "shirt & tie", "hat", "sock", "shoe", "never seen")


class OneRunner:
    """What the writer asks of a runner."""

    def __init__(self, metric, root):
        evaluator = type("Evaluator", (), {"metrics": [metric]})
        self.test_loop = type("Loop", (), {"evaluator": evaluator})
        self.test_dataloader = type(
            "Loader", (), {"dataset": type("Data", (), {"data_root": root})}
        )
        self.cfg = type("Config", (), {"filename": "configs/cls/own.py"})


def evaluated(folder: Path, classes, scores, labels) -> tuple[ClassificationMetric, dict]:
    """A metric after the evaluation of photos on disk, 200 x 80 px, brighter by number."""
    metric = ClassificationMetric(num_worst=6)
    metric.dataset_meta = {"classes": classes}
    for index, sample in enumerate(samples_of(scores, labels)):
        photo = folder / f"photo_{index}.png"
        cv2.imwrite(str(photo), np.full((80, 200, 3), 2 * index, np.uint8))
        metric.process({}, [sample | {"img_path": str(photo)}])
    return metric, metric.evaluate(len(labels))


@pytest.fixture
def few(tmp_path):
    scores, labels = make_outcomes(1, num_images=40, num_classes=6)
    scores[:, 5] = 0
    return evaluated(tmp_path, NAMES, scores, labels % 5)


def test_page_and_numbers(few, tmp_path):
    metric, metrics = few
    Path(metric.worst[0].file).unlink()
    history = [{"mode": "train", "epoch": 1, "iter": 5, "loss": 2.0},
               {"mode": "val", "epoch": 1, "iter": 5, "cls/top1": 0.3}]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
    page = tmp_path / "out" / "report.html"
    write = report_writer(OneRunner(metric, "data/own"), tmp_path / "best.pth")
    write(page, metrics | {"loss": 1.2345, "other metric": 98.7654})
    text = page.read_text()
    assert "other metric" not in text  # it is no loss
    for word in (f"{metrics['cls/top1']:.3f}", f"{metrics['cls/calibration_error']:.3f}", "1.234",
                 "shirt &amp; tie", "data/own", "best.pth", "configs/cls/own.py",
                 f"no picture: image {metric.worst[0].file}"):  # fmt: skip
        assert word in text
    assert text.count("data:image/png") == 3  # confusion, calibration and curves
    assert text.count("data:image/jpeg") == 5  # of the 6 worst, one photo is gone
    assert text.index(metric.worst[1].file) < text.index(metric.worst[5].file)
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for name in ("top1", "top5", "mean_class_accuracy", "calibration_error"):
        assert content[name] == metrics[f"cls/{name}"]
    assert content["num_images"] == 40
    assert content["per_class"]["hat"]["accuracy"] == metrics["cls/accuracy/hat"]
    assert content["per_class"]["never seen"]["accuracy"] is None
    assert content["confusion"]["never seen"] == {}
    counts = [sum(row.values()) for row in content["confusion"].values()]
    assert counts == [row["images"] for row in content["per_class"].values()]
    assert sum(content["calibration"]["images"]) == 40
    right = sum(content["confusion"][name].get(name, 0) for name in NAMES)
    assert sum(content["calibration"]["right"]) == right == round(40 * content["top1"])


def test_pictures_are_the_surest_mistakes(few, tmp_path):
    metric, metrics = few
    report_writer(OneRunner(metric, ""), tmp_path / "x.pth")(tmp_path / "report.html", metrics)
    text = (tmp_path / "report.html").read_text()
    found = re.findall(r'alt="([^"]*)" src="data:image/jpeg;base64,([^"]+)"', text)
    for (caption, jpeg), outcome in zip(found, metric.worst, strict=True):
        truth, prediction = (
            NAMES[number].replace("&", "&amp;") for number in (outcome.truth, outcome.prediction)
        )
        assert caption.startswith(f"{truth} ({100 * outcome.truth_score:.1f} %) taken for ")
        assert f"{prediction} ({100 * outcome.confidence:.1f} %): {outcome.file}" in caption
        picture = cv2.imdecode(np.frombuffer(b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (128, 320, 3)
        number = int(re.search(r"photo_(\d+)", outcome.file)[1])
        assert abs(picture.mean() - 2 * number) < 2


def test_page_about_a_thousand_classes(tmp_path):
    """A usable page: no picture of a thousand rows, no table of them."""
    scores, labels = make_outcomes(2, num_images=120, num_classes=1000)
    classes = [f"n{number:08}" for number in range(1000)]
    metric, metrics = evaluated(tmp_path, classes, scores, labels)
    page = tmp_path / "report.html"
    report_writer(OneRunner(metric, ""), tmp_path / "x.pth")(page, metrics)
    text = page.read_text()
    assert len(text) < 1e6
    assert "The 100 classes of the lowest F1; metrics.json has all 1000." in text
    assert "Of 1000 classes, the 40 that mix most." in text
    assert 100 < text.count("<tr>") < 200
    content = (tmp_path / "metrics.json").read_text()
    assert len(json.loads(content)["per_class"]) == 1000
    assert len(content) < 5e5


def test_page_about_a_perfect_model(tmp_path):
    scores = np.eye(6)[np.arange(12) % 6]
    metric, metrics = evaluated(tmp_path, NAMES, scores, np.arange(12) % 6)
    report_writer(OneRunner(metric, ""), tmp_path / "x.pth")(tmp_path / "report.html", metrics)
    text = (tmp_path / "report.html").read_text()
    assert "There is none: every image is right." in text
    assert "There are none." in text  # pictures


def test_chart_of_the_largest_confusions(monkeypatch):
    confusion = np.diag([9, 9, 9, 9, 9, 9])
    confusion[4, 1], confusion[2, 0], confusion[3, 2] = 5, 3, 1
    assert most_confused(confusion, 3) == [4, 1, 2]
    drawn = []
    monkeypatch.setattr(
        "mnv4_vision.cls.evaluation.charts.draw_confusion", lambda *args: drawn.append(args)
    )
    draw_largest_confusions(confusion, NAMES, 3)
    draw_largest_confusions(confusion, NAMES)
    (matrix, rows, columns), (whole, names, _) = drawn
    assert rows == columns == ["shoe", "shirt & tie", "hat", OTHERS]
    # Rows keep all their images: hat has 9 and 3 as coat, the others 27 and 1 as hat.
    expected = [[9, 5, 0, 0], [0, 9, 0, 0], [0, 0, 9, 3], [0, 0, 1, 27]]
    assert matrix.tolist() == expected
    assert matrix.sum() == confusion.sum()
    assert whole is confusion
    assert names == NAMES


def test_other_metrics_have_no_report(tmp_path):
    with pytest.raises(InputError, match=r"--report needs .*ClassificationMetric"):
        report_writer(OneRunner(object(), ""), tmp_path / "x.pth")
