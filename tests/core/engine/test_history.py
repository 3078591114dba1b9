import io
import json

from PIL import Image

from mnv4_vision.core.engine.curves import draw_curves
from mnv4_vision.core.engine.history import _line, read_history

TRAIN = [
    {"mode": "train", "epoch": 1, "iter": i, "loss": 9.0 / i, "loss_cls": 5.0 / i, "lr": 0.1}
    for i in range(1, 30)
]
VAL = [{"mode": "val", "epoch": e, "iter": 9 * e, "AP": e / 10, "AP_s": -1} for e in (1, 2, 3)]


def dark_pixels(picture, half):
    """Pixels of saturated colour, that is, of curves, in the left or right half."""
    image = Image.open(io.BytesIO(picture)).convert("HSV")
    assert image.size == (1440, 600)
    box = (0, 0, 720, 600) if half == "left" else (720, 0, 1440, 600)
    return sum(image.crop(box).getchannel("S").histogram()[128:])


def test_curves_show_losses_left_and_metrics_right():
    losses, both = draw_curves(TRAIN), draw_curves(TRAIN + VAL)
    assert dark_pixels(losses, "left") > 1000
    assert dark_pixels(losses, "right") == 0
    assert dark_pixels(both, "right") > 500


def test_curves_of_chosen_and_absent_metrics():
    assert dark_pixels(draw_curves(VAL, metrics=["AP"]), "right") > 500
    assert dark_pixels(draw_curves(VAL, metrics=["AP_s"]), "right") == 0  # -1: nothing to measure
    by_class = [{**row, "coco/AP/cat": 0.5} for row in VAL]
    assert draw_curves(by_class) == draw_curves(VAL)
    draw_curves([])


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path):
    file = tmp_path / "metrics.jsonl"
    file.write_text(json.dumps(VAL[0]) + "\n" + json.dumps(VAL[1])[:-7])
    assert read_history(file) == VAL[:1]


def test_numbers_that_json_lacks_become_null():
    assert json.loads(_line({"loss": float("nan"), "AP": float("inf"), "lr": 0.1})) == {
        "loss": None,
        "AP": None,
        "lr": 0.1,
    }
