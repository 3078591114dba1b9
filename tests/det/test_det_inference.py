"""A small RetinaNet end to end: files in, boxes out, and one clear line for what is wrong."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.models import DetDataPreprocessor
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.registry import init_default_scope

from mnv4_vision.core.engine.checkpoint import load_checkpoint_checked, read_checkpoint
from mnv4_vision.core.engine.inputs import expand_inputs
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.det.inference import (
    Detections,
    Detector,
    detections_to_json,
)
from mnv4_vision.det.network_input import NetworkInput

CLASSES = ("cat", "dog", "owl")


def small_config(num_classes: int = 3) -> Config:
    head = {
        "type": "RetinaHead",
        "num_classes": num_classes,
        "in_channels": 16,
        "feat_channels": 16,
        "stacked_convs": 1,
        "anchor_generator": {
            "type": "AnchorGenerator",
            "octave_base_scale": 4,
            "scales_per_octave": 1,
            "ratios": [1.0],
            "strides": [8, 16, 32],
        },
        "bbox_coder": {"type": "DeltaXYWHBBoxCoder"},
    }
    backbone = {"type": "MobileNetV2", "widen_factor": 0.25, "out_indices": (2, 4, 6)}
    model = {
        "type": "RetinaNet",
        "data_preprocessor": {
            "type": "DetDataPreprocessor",
            "mean": [123.0, 116.0, 103.0],
            "std": [58.0, 57.0, 57.0],
            "bgr_to_rgb": True,
            "pad_size_divisor": 32,
        },
        "backbone": backbone,
        "neck": {"type": "FPN", "in_channels": [8, 24, 80], "out_channels": 16, "num_outs": 3},
        "bbox_head": head,
        "test_cfg": {
            "nms_pre": 100,
            "score_thr": 0.0,
            "nms": {"type": "nms", "iou_threshold": 0.5},
            "max_per_img": 20,
        },
    }
    meta_keys = ("img_id", "ori_shape", "img_shape", "scale_factor")
    pipeline = [
        {"type": "LoadImage"},
        {"type": "Resize", "scale": (96, 96), "keep_ratio": True},
        {"type": "LoadAnnotations", "with_bbox": True},
        {"type": "PackDetInputs", "meta_keys": meta_keys},
    ]
    return Config({"model": model, "test_dataloader": {"dataset": {"pipeline": pipeline}}})


def build(config: Config) -> torch.nn.Module:
    init_default_scope("mmdet")
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    # Scores that differ, as trained ones do: the deployed form may not change their order.
    torch.nn.init.normal_(model.bbox_head.retina_cls.weight, std=0.5)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return build(small_config())


@pytest.fixture(scope="module")
def checkpoint(model, tmp_path_factory):
    """As mmengine writes it, message hub with numpy arrays and scalars included."""
    file = tmp_path_factory.mktemp("run") / "epoch_1.pth"
    hub = {
        "log_scalars": {"train/loss": HistoryBuffer([0.5, 0.25], [1, 1])},
        "runtime_info": {"epoch": 1, "ap": np.float64(0.5), "count": np.int64(3)},
        "resumed_keys": {},
    }
    meta = {"epoch": 1, "dataset_meta": {"classes": CLASSES}, "seed": 3}
    content = {"meta": meta, "state_dict": model.state_dict(), "message_hub": hub}
    torch.save(content, file)
    return file


@pytest.fixture(scope="module")
def photo():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 255, (12, 20, 3), dtype=np.uint8), (200, 120))


@pytest.fixture(scope="module")
def detector(checkpoint):
    return Detector(small_config(), checkpoint, score_threshold=0.0)


# The detector --------------------------------------------------------------------------------


def test_equals_mmdets_own_inference(detector, model, checkpoint, photo):
    from mmdet.apis import inference_detector

    model.cfg = small_config()
    expected = inference_detector(model, photo).pred_instances
    found = detector.detect(photo)
    assert not [m for m in detector.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(found.boxes) == len(expected) > 0
    np.testing.assert_allclose(found.boxes, expected.bboxes.numpy(), rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores.numpy(), rtol=1e-4)
    assert found.labels.tolist() == expected.labels.tolist()
    assert detector.class_names == CLASSES
    assert found.time_ms > 0


class OtherPreprocessor(DetDataPreprocessor):
    """Unknown to `NetworkInput`, which has to call it."""


@pytest.mark.parametrize("kind", [DetDataPreprocessor, OtherPreprocessor])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"bgr_to_rgb": False, "pad_size_divisor": 64, "pad_value": 7},
        {"mean": None, "std": None},
    ],
    ids=["usual", "padded", "plain"],
)
def test_network_input_is_mmdets(photo, kind, settings):
    config = small_config()
    options = {**config.model.data_preprocessor, **settings}
    preprocessor = kind(**{key: value for key, value in options.items() if key != "type"})
    loader, resize, _, pack = config.test_dataloader.dataset.pipeline
    pipeline = Compose([dict(loader, type="mmdet.LoadImageFromNDArray"), resize, pack])
    packed = pipeline({"img": photo, "img_id": 0})
    expected = preprocessor({key: [value] for key, value in packed.items()})
    found = NetworkInput(config, preprocessor)(photo)
    assert torch.equal(found["inputs"], expected["inputs"])
    assert found["data_samples"][0].metainfo == expected["data_samples"][0].metainfo


def test_boxes_are_in_original_pixels_and_sorted(detector, photo):
    found = detector.detect(photo)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert (np.diff(found.scores) <= 0).all()
    assert found.boxes[:, 2].max() > 96  # wider than the network's input
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.array([200, 120, 200, 120]) + 1e-3).all()


def test_files_and_arrays_agree(detector, photo, tmp_path):
    file = tmp_path / "photo.png"
    cv2.imwrite(str(file), photo)
    from_file, from_array = detector([file, photo])
    np.testing.assert_array_equal(from_file.boxes, from_array.boxes)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 4), (0, 60, 3)])
def test_array_that_is_no_image(detector, shape):
    for array in (np.zeros(shape, np.uint8), np.zeros((40, 60, 3), np.float32)):
        with pytest.raises(InputError, match=r"must be \(H, W, 3\) uint8 .* got \("):
            detector.detect(array)


def test_score_threshold(checkpoint, detector, photo):
    scores = detector.detect(photo).scores
    threshold = float(np.median(scores))
    strict = Detector(small_config(), checkpoint, score_threshold=threshold)
    assert 0 < len(strict.detect(photo).scores) == (scores >= threshold).sum() < len(scores)
    strict.score_threshold = 1.1
    assert strict.detect(photo).boxes.shape == (0, 4)


def test_unreadable_image_is_named(detector, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    whole = cv2.imencode(".jpg", photo)[1].tobytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"broken\.jpg"):
        detector([broken])
    with pytest.raises(MissingFileError, match=r"absent\.jpg"):
        detector([tmp_path / "absent.jpg"])


@pytest.mark.parametrize("device", ["cuda:99", "quantum"])
def test_unknown_device(checkpoint, device):
    with pytest.raises(InputError, match=device):
        Detector(small_config(), checkpoint, device=device)


def test_class_names_fall_back_to_the_config(model, tmp_path):
    bare = tmp_path / "bare.pth"
    torch.save(model.state_dict(), bare)
    config = small_config()
    with pytest.raises(InputError, match="names the classes"):
        Detector(config, bare)
    config.test_dataloader.dataset.metainfo = {"classes": CLASSES}
    assert Detector(config, bare).class_names == CLASSES


# Checkpoints ---------------------------------------------------------------------------------


def test_weights_and_meta_arrive(model, checkpoint):
    fresh = MODELS.build(small_config().model)
    meta = load_checkpoint_checked(fresh, checkpoint, classes=CLASSES)
    assert meta["dataset_meta"]["classes"] == CLASSES
    assert all(torch.equal(fresh.state_dict()[k], v) for k, v in model.state_dict().items())
    hub = read_checkpoint(checkpoint)["message_hub"]
    assert hub["log_scalars"]["train/loss"].current() == 0.25


def test_data_parallel_prefix(model, tmp_path):
    file = tmp_path / "ddp.pth"
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state, "meta": {}}, file)
    assert set(read_checkpoint(file)["state_dict"]) == set(model.state_dict())


def test_missing_checkpoint_says_what_is_there(model, checkpoint):
    with pytest.raises(MissingFileError, match=r"epoch_2\.pth.* has epoch_1\.pth"):
        load_checkpoint_checked(model, checkpoint.with_name("epoch_2.pth"))


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text", "pickle"])
def test_damaged_checkpoint(model, checkpoint, tmp_path, damage):
    content = bytearray(checkpoint.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 0x10
    file = tmp_path / "damaged.pth"
    file.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flip": content,
            "empty": b"",
            "text": b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n",
            "pickle": pickle.dumps({"a": 1}),
        }[damage]
    )
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError, match=r"damaged\.pth") as error:
        load_checkpoint_checked(model, file)
    assert "\n" not in str(error.value)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["call", "getattr"])
def test_checkpoint_that_would_run_code(model, tmp_path, kind):
    class Trap:
        def __reduce__(self):
            target = (Path.touch, (tmp_path / "ran",))
            return target if kind == "call" else (getattr, (HistoryBuffer, "__init__"))

    file = tmp_path / "trap.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {"x": Trap()}}, file)
    with pytest.raises(InputError, match="could run code"):
        load_checkpoint_checked(model, file)
    assert not (tmp_path / "ran").exists()


def test_checkpoint_without_weights(model, tmp_path):
    file = tmp_path / "other.pth"
    torch.save({"epoch": 3}, file)
    with pytest.raises(InputError, match="no model weights"):
        load_checkpoint_checked(model, file)


def test_checkpoint_of_another_model_says_counts(checkpoint):
    with pytest.raises(InputError, match=r"0 of the model's 2 tensors match, 2 are missing"):
        load_checkpoint_checked(torch.nn.Linear(3, 4), checkpoint)


def test_checkpoint_with_other_shapes_says_counts(model, tmp_path):
    state = dict(model.state_dict())
    key = "neck.fpn_convs.0.conv.weight"
    state[key] = state[key][:8]
    del state["bbox_head.retina_reg.bias"]
    file = tmp_path / "reshaped.pth"
    torch.save({"state_dict": state, "meta": {}}, file)
    total = len(model.state_dict())
    with pytest.raises(
        InputError,
        match=rf"{total - 2} of the model's {total} .*1 are missing \(such as bbox_head.*1 have "
        rf"another shape \(such as {key}: \(8, 16, 3, 3\)",
    ):
        load_checkpoint_checked(model, file)


def test_class_count_mismatch_says_both(checkpoint):
    with pytest.raises(InputError, match=r"trained for 3 classes \(cat, dog, owl\).* has 80"):
        Detector(small_config(num_classes=80), checkpoint)


def test_other_class_names_are_refused(model, checkpoint):
    with pytest.raises(InputError, match="cat, dog, owl; the data has owl, cat, dog"):
        load_checkpoint_checked(model, checkpoint, classes=("owl", "cat", "dog"))


def test_unexpected_tensors_are_fine_but_said(model, tmp_path, caplog):
    file = tmp_path / "more.pth"
    state = {**model.state_dict(), "teacher.weight": torch.ones(2)}
    torch.save({"state_dict": state, "meta": {"epoch": 2}}, file)
    assert load_checkpoint_checked(model, file) == {"epoch": 2}


# Inputs and outputs --------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("b.jpg", "a.PNG", "notes.txt", "deep/c.jpeg", "deep/odd.dat"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def names(files: list[Path], root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files]


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([""], ["a.PNG", "b.jpg", "deep/c.jpeg"]),
        (["*.jpg"], ["b.jpg"]),
        (["**/*.jp*g"], ["b.jpg", "deep/c.jpeg"]),
        (["deep", "b.jpg", "deep/*"], ["deep/c.jpeg", "b.jpg"]),
        (["deep/odd.dat"], ["deep/odd.dat"]),
    ],
)
def test_expand_inputs(folder, args, expected):
    assert names(expand_inputs([str(folder / arg) for arg in args]), folder) == expected


@pytest.mark.parametrize(
    ("arg", "word"), [("nope.jpg", "does not exist"), ("*.gif", "glob"), ("void", "holds no image")]
)
def test_expand_inputs_that_match_nothing(folder, arg, word):
    (folder / "void").mkdir()
    with pytest.raises(MissingFileError, match=word):
        expand_inputs([str(folder / "b.jpg"), str(folder / arg)])


def test_expand_no_inputs():
    with pytest.raises(InputError, match="no images given"):
        expand_inputs([])


def test_json_records():
    found = Detections(
        boxes=np.array([[10, 20, 30, 60]], dtype=np.float32),
        scores=np.array([0.5], dtype=np.float32),
        labels=np.array([1]),
        time_ms=12.345,
    )
    records = detections_to_json([Path("x/a.jpg")], [found], CLASSES)
    assert json.loads(json.dumps(records)) == [
        {
            "file": "x/a.jpg",
            "time_ms": 12.35,
            "detections": [
                {"bbox": [10, 20, 20, 40], "score": 0.5, "category_id": 1, "category": "dog"}
            ],
        }
    ]
