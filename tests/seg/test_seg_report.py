"""The report page and metrics.json about an evaluation."""

import json
import re
from base64 import b64decode
from pathlib import Path

import cv2
import numpy as np
import pytest
from mask_samples import IGNORED, make_maps, samples_of

from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.evaluation import SegmentationMetric, report_writer
from mnv4_vision.seg.evaluation.worst import error_map

NAMES = ("sky", "road & track", "tree", "never seen")
PALETTE = [[70, 130, 180], [128, 64, 128], [107, 142, 35], [0, 0, 142]]


class OneRunner:
    """What the writer asks of a runner."""

    def __init__(self, metric, root):
        evaluator = type("Evaluator", (), {"metrics": [metric]})
        self.test_loop = type("Loop", (), {"evaluator": evaluator})
        self.test_dataloader = type(
            "Loader", (), {"dataset": type("Data", (), {"data_root": root})}
        )
        self.cfg = type("Config", (), {"filename": "configs/seg/own.py"})


@pytest.fixture
def evaluated(tmp_path):
    """A metric after the evaluation of 15 photos on disk, the first of which is gone."""
    pairs = make_maps(1, num_images=15, num_classes=3)
    metric = SegmentationMetric()
    metric.dataset_meta = {"classes": NAMES, "palette": PALETTE}
    for index, sample in enumerate(samples_of(pairs)):
        photo = tmp_path / f"photo_{index}.jpg"
        cv2.imwrite(str(photo), np.full((*pairs[index][0].shape, 3), 120, np.uint8))
        metric.process({}, [sample | {"img_path": str(photo)}])
    metrics = metric.evaluate(15)
    Path(metric.worst[0].file).unlink()
    return metric, metrics


def test_page_and_numbers(evaluated, tmp_path):
    metric, metrics = evaluated
    history = [{"mode": "train", "epoch": 1, "iter": 5, "loss": 2.0},
               {"mode": "val", "epoch": 1, "iter": 5, "seg/mIoU": 0.3}]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
    write = report_writer(OneRunner(metric, "data/own"), tmp_path / "best.pth")
    page = tmp_path / "out" / "report.html"
    write(page, metrics | {"loss": 1.2345, "decode.loss_ce": 1.2345, "other metric": 98.7654})
    text = page.read_text()
    assert "other metric" not in text  # it is no loss
    for word in (f"{metrics['seg/mIoU']:.3f}", "1.234", "road &amp; track", "data/own", "best.pth",
                 "configs/seg/own.py", f"no picture: image {metric.worst[0].file}"):  # fmt: skip
        assert word in text
    assert text.count("data:image/png") == 2  # confusion and curves
    assert text.count("data:image/jpeg") == 11  # of the 12 worst, one photo is gone
    assert text.index(metric.worst[1].file) < text.index(metric.worst[11].file)
    content = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert content["mIoU"] == metrics["seg/mIoU"]
    assert content["boundaryF"] == metrics["seg/boundaryF"]
    assert content["num_images"] == 15
    assert content["per_class"]["tree"]["IoU"] == metrics["seg/IoU/tree"]
    assert content["per_class"]["never seen"]["IoU"] is None
    assert np.sum(content["confusion"], axis=1)[0] == content["per_class"]["sky"]["pixels"]


def test_picture_shows_photo_truth_prediction_and_errors(evaluated, tmp_path):
    metric, metrics = evaluated
    report_writer(OneRunner(metric, ""), tmp_path / "x.pth")(tmp_path / "report.html", metrics)
    jpeg = re.search(r"data:image/jpeg;base64,([^\"]+)", (tmp_path / "report.html").read_text())[1]
    picture = cv2.imdecode(np.frombuffer(b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR)
    height, width = metric.worst[1].truth.shape
    assert picture.shape[1] >= 2 * width
    assert picture.shape[0] > 2 * height


def test_error_map():
    truth = np.array([[0, 1, IGNORED]], dtype=np.uint8)
    colours = error_map(truth, np.array([[0, 2, 2]], dtype=np.uint8))[0].tolist()
    assert len({tuple(colour) for colour in colours}) == 3
    assert colours[1][2] > 2 * max(colours[1][:2]), "wrong is red"


def test_large_maps_are_kept_small():
    truth = np.zeros((1000, 2000), dtype=np.uint8)
    metric = SegmentationMetric(boundary=False)
    metric.dataset_meta = {"classes": NAMES}
    metric.process({}, samples_of([(truth, truth + 1)]))
    metric.evaluate(1)
    assert metric.worst[0].truth.shape == (250, 500)
    assert metric.worst[0].confusions == ((0, 1, 1.0),)


def test_other_metrics_have_no_report(tmp_path):
    with pytest.raises(InputError, match=r"--report needs .*SegmentationMetric"):
        report_writer(OneRunner(object(), ""), tmp_path / "x.pth")
