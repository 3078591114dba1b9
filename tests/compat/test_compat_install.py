import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import logging
import pickle
import subprocess
import sys
from types import SimpleNamespace

import cv2
import mmcv._ext
import mmcv.ops
import numpy as np
import pytest
import torch

from mnv4_vision import compat
from mnv4_vision.compat import _mmengine, _torchvision
from mnv4_vision.compat.nms import nms

torchvision_stand_in = pytest.mark.skipif(
    compat.status()["torchvision"] != "stand-in", reason="torchvision's own operators load here"
)
mmcv_stand_in = pytest.mark.skipif(
    compat.status()["mmcv._ext"] != "stand-in", reason="mmcv has compiled operators here"
)


def run_python(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result


def test_the_stack_imports_without_a_word_and_only_on_demand():
    result = run_python(
        "import json, sys, mnv4_vision\n"
        "early = {'torchvision', 'timm', 'mmcv.ops', 'mmdet', 'mmseg'} & set(sys.modules)\n"
        "import torchvision, timm, mmcv.ops\n"
        "import mmdet.models, mmdet.datasets, mmdet.evaluation\n"
        "import mmseg.models, mmseg.datasets, mmseg.evaluation\n"
        "timm.create_model('mobilenetv4_conv_small')\n"
        "print(json.dumps([sorted(early), mnv4_vision.compat.status()]))\n"
    )
    early, status = json.loads(result.stdout)
    assert early == []
    assert status == compat.status()
    assert result.stderr == ""


@torchvision_stand_in
def test_torchvision_recovers_after_a_failed_import():
    run_python(
        "try:\n"
        "    import torchvision\n"
        "except RuntimeError as error:\n"
        "    assert 'torchvision::nms' in str(error)\n"
        "else:\n"
        "    raise AssertionError('torchvision imports by itself')\n"
        "import mnv4_vision, torchvision\n"
        "assert mnv4_vision.compat.status()['torchvision'] == 'stand-in'\n"
        "assert torchvision.ops.nms.__module__ == 'torchvision.ops.boxes'\n"
    )


def test_install_twice_changes_nothing():
    finders = list(sys.meta_path)
    status = compat.status()
    compat.install()
    assert sys.meta_path == finders
    assert compat.status() == status


def test_torchvision_nms_in_all_its_forms():
    import torchvision

    random = torch.Generator().manual_seed(0)
    low = torch.rand(200, 2, generator=random) * 50
    boxes = torch.cat([low, low + 20], 1)
    scores = torch.rand(200, generator=random)
    expected = nms(boxes, scores, 0.5).tolist()
    assert torch.ops.torchvision.nms(boxes, scores, 0.5).tolist() == expected
    assert torchvision.ops.nms(boxes, scores, 0.5).tolist() == expected
    labels = torch.arange(200) % 3
    by_class = [
        index[nms(boxes[index], scores[index], 0.5)]
        for index in (torch.nonzero(labels == c)[:, 0] for c in range(3))
    ]
    kept = torchvision.ops.batched_nms(boxes, scores, labels, 0.5)
    assert sorted(kept.tolist()) == sorted(torch.cat(by_class).tolist())
    assert (scores[kept].diff() <= 0).all()


def test_torchvision_nms_can_be_traced_without_data():
    import torchvision  # noqa: F401  (registers the fake implementation)
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    with FakeTensorMode(shape_env=ShapeEnv()):
        kept = torch.ops.torchvision.nms(torch.empty(9, 4), torch.empty(9), 0.5)
    assert kept.dtype == torch.int64
    assert kept.ndim == 1


@pytest.mark.parametrize(
    ("found", "loads", "status"),
    [(True, True, "compiled"), (False, False, "not installed")],
)
def test_torchvision_is_left_alone_when_it_works_or_is_absent(monkeypatch, found, loads, status):
    monkeypatch.setattr(_torchvision, "_status", "not checked")
    monkeypatch.setattr(_torchvision, "_loads", lambda package: loads)
    monkeypatch.setattr(_torchvision, "_define", lambda: pytest.fail("operators redefined"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found or None)
    _torchvision.install()
    assert _torchvision.status() == status


def test_compiled_mmcv_operators_are_left_alone(monkeypatch, tmp_path):
    compiled = tmp_path / "_ext.py"
    compiled.write_text("nms = 'compiled'\n")
    monkeypatch.setattr(mmcv, "__path__", [str(tmp_path)])
    monkeypatch.setattr(mmcv.__spec__, "submodule_search_locations", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "mmcv._ext")
    assert compat.status()["mmcv._ext"] == "compiled"
    assert importlib.util.find_spec("mmcv._ext").origin == str(compiled)


@mmcv_stand_in
class TestStandIn:
    def test_is_an_ordinary_module(self):
        assert mmcv._ext.__spec__.name == "mmcv._ext"
        assert pickle.loads(pickle.dumps(mmcv._ext.nms)) is mmcv._ext.nms
        assert "softnms" in dict(inspect.getmembers(mmcv._ext))
        assert not hasattr(mmcv._ext, "__wrapped__")
        assert not hasattr(mmcv._ext, "_private")

    @pytest.mark.parametrize(
        ("call", "operator"),
        [
            (lambda x, rois: mmcv.ops.RoIPool((2, 2))(x, rois), "roi_pool_forward"),
            (
                lambda x, rois: mmcv.ops.DeformConv2d(1, 1, 3)(x, torch.zeros(1, 18, 6, 6)),
                "deform_conv_forward",
            ),
        ],
    )
    def test_an_operator_without_implementation_says_how_to_get_it(self, call, operator):
        with pytest.raises(NotImplementedError, match=rf"{operator} .*pip install .*onedl-mmcv"):
            call(torch.zeros(1, 1, 8, 8), torch.tensor([[0, 0.0, 0, 4, 4]]))

    def test_threshold_is_single_precision_as_in_mmcv(self):
        # IoU is 3 / 5, which single precision rounds up to just above the double 0.6.
        boxes = torch.tensor([[0.0, 0, 5, 1], [0, 0, 3, 1]])
        scores = torch.tensor([0.9, 0.8])
        assert mmcv.ops.nms(boxes, scores, 0.6)[1].tolist() == [0, 1]
        assert torch.ops.torchvision.nms(boxes, scores, 0.6).tolist() == [0]


@pytest.mark.parametrize("split_thr", [10000, 10])
def test_batched_nms_works_per_class(split_thr):
    random = torch.Generator().manual_seed(1)
    low = torch.randint(0, 40, (300, 2), generator=random).float()
    boxes = torch.cat([low, low + 16], 1)
    scores = torch.rand(300, generator=random)
    labels = torch.randint(0, 5, (300,), generator=random)
    config = {"type": "nms", "iou_threshold": 0.5, "split_thr": split_thr}
    dets, kept = mmcv.ops.batched_nms(boxes, scores, labels, config)
    expected = [
        index[nms(boxes[index], scores[index], 0.5)]
        for index in (torch.nonzero(labels == c)[:, 0] for c in range(5))
    ]
    assert sorted(kept.tolist()) == sorted(torch.cat(expected).tolist())
    assert torch.equal(dets, torch.cat([boxes[kept], scores[kept, None]], 1))
    assert (dets[:, 4].diff() <= 0).all()


@pytest.mark.parametrize(("offset", "kept"), [(0, [0, 1]), (1, [0])])
def test_numpy_boxes_with_offset(offset, kept):
    # IoU is 45 / 81 of the corners' distances, and 60 / 100 of the pixels.
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 5]], dtype=np.float32)
    scores = np.array([0.9, 0.8], dtype=np.float32)
    dets, index = mmcv.ops.nms(boxes, scores, 0.58, offset=offset)
    assert index.tolist() == kept
    assert np.array_equal(dets, np.column_stack([boxes, scores])[kept])


def test_print_log_without_a_logger_drops_debug_only():
    calls = []
    module = SimpleNamespace(print_log=lambda *args: calls.append(args))
    _mmengine._drop_debug(module)
    module.print_log("hidden", level=logging.DEBUG)
    module.print_log("shown")
    module.print_log("logged", "current", logging.DEBUG)
    assert calls == [("shown", None, logging.INFO), ("logged", "current", logging.DEBUG)]


def test_one_opencv():
    """The two distributions of OpenCV share the folder cv2: it must be whole and of one version."""
    image = np.arange(48 * 32 * 3, dtype=np.uint8).reshape(48, 32, 3)
    ok, png = cv2.imencode(".png", image)
    assert ok
    assert np.array_equal(cv2.imdecode(png, cv2.IMREAD_COLOR), image)
    distributions = importlib.metadata.packages_distributions()["cv2"]
    versions = {importlib.metadata.version(name) for name in distributions}
    assert len(versions) == 1, f"{distributions} differ in version and overwrite each other"
    assert versions.pop().startswith(cv2.__version__)


def test_import_caches_can_be_invalidated():
    """Finders sit on `sys.meta_path` as classes, so an inherited instance method would fail."""
    importlib.invalidate_caches()
