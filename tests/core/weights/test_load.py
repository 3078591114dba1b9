import json
import re

import pytest
import safetensors.torch
import torch

from mnv4_vision.core.backbones import MobileNetV4, MobileNetV4Classifier, to_timm
from mnv4_vision.core.errors import InputError, MissingFileError
from mnv4_vision.core.weights import load, load_pretrained, normalisation_for

ARCH = "conv_s_035"


@pytest.fixture(scope="module")
def source():
    torch.manual_seed(1)
    return MobileNetV4Classifier(ARCH, num_classes=7).state_dict()


@pytest.fixture
def model():
    torch.manual_seed(2)
    return MobileNetV4(ARCH)


@pytest.fixture
def ours(source, tmp_path):
    path = tmp_path / "ours.pth"
    torch.save({"meta": {}, "state_dict": source}, path)
    return path


def num_weights(state):
    return sum(not key.endswith("num_batches_tracked") for key in state)


def assert_backbone_equal(model, source):
    for key, value in model.state_dict().items():
        assert torch.equal(value, source["backbone." + key]), key


def write(path, state):
    (safetensors.torch.save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return path


LAYOUTS = {
    "bare.pth": lambda s: {
        k.removeprefix("backbone."): v for k, v in s.items() if k.startswith("backbone.")
    },
    "classifier.safetensors": lambda s: s,
    "detector.pth": lambda s: {
        "state_dict": {k: v for k, v in s.items() if k.startswith("backbone.")}
        | {"neck.convs.0.weight": torch.ones(3), "bbox_head.cls.bias": torch.ones(2)}
    },
    "parallel.pt": lambda s: {"state_dict": {"module." + k: v for k, v in s.items()}},
    "timm.safetensors": lambda s: to_timm(s, ARCH),
    "pytorch_model.bin": lambda s: to_timm(s, ARCH),
    "timm_run.pth": lambda s: {
        "state_dict": {k: torch.zeros_like(v) for k, v in to_timm(s, ARCH).items()},
        "state_dict_ema": to_timm(s, ARCH),
    },
}


@pytest.mark.parametrize("filename", LAYOUTS)
def test_every_layout_gives_the_same_backbone(filename, source, model, tmp_path):
    path = write(tmp_path / filename, LAYOUTS[filename](source))
    report = load_pretrained(model, str(path), strict=True)
    assert len(report.matched) == num_weights(model.state_dict())
    assert report.is_clean
    assert_backbone_equal(model, source)


def test_classifier_is_loaded_with_its_head(source, ours):
    model = MobileNetV4Classifier(ARCH, num_classes=7)
    report = load_pretrained(model, str(ours), strict=True)
    assert len(report.matched) == num_weights(source)
    assert report.unused == ()
    assert all(torch.equal(value, source[key]) for key, value in model.state_dict().items())


def test_other_number_of_classes_is_reported_and_keeps_the_new_layer(ours, caplog):
    model = MobileNetV4Classifier(ARCH, num_classes=3)
    before = model.head.fc.weight.clone()
    report = load_pretrained(model, str(ours))
    assert [key.split()[0] for key in report.mismatched] == ["head.fc.weight", "head.fc.bias"]
    assert torch.equal(model.head.fc.weight, before)


def test_report_counts(source, model, tmp_path):
    state = dict(source)
    del state["backbone.stem.conv.weight"]
    state["backbone.stem.bn.weight"] = torch.ones(1)
    state["backbone.stages.0.9.conv.weight"] = torch.ones(1)
    state["neck.weight"] = torch.ones(1)
    report = load_pretrained(model, str(write(tmp_path / "odd.pth", state)))
    total = num_weights(model.state_dict())
    assert report.num_expected == total
    assert len(report.matched) == total - 2
    assert report.missing == ("stem.conv.weight",)
    assert report.mismatched == ("stem.bn.weight (1,) for (32,)",)
    assert report.unexpected == ("stages.0.9.conv.weight",)
    num_head = num_weights(k for k in source if k.startswith("head."))
    assert len(report.unused) == num_head + 1
    assert report.summary().endswith(
        f"{total - 2} of {total} tensors match, 1 missing, 1 unexpected, 1 mismatched, "
        f"{num_head + 1} unused (head, neck)"
    )
    with pytest.raises(InputError, match="1 missing"):
        load_pretrained(model, str(tmp_path / "odd.pth"), strict=True)


def test_later_stages_of_the_file_are_unused_by_a_shorter_backbone(source, ours):
    model = MobileNetV4(ARCH, out_indices=(1, 2))
    report = load_pretrained(model, str(ours), strict=True)
    assert {key.split(".")[0] + key.split(".")[1] for key in report.unused} >= {"stages2"}
    assert_backbone_equal(model, source)


def test_missing_batch_counters_do_not_matter(source, model, tmp_path):
    state = {k: v for k, v in source.items() if not k.endswith("num_batches_tracked")}
    assert load_pretrained(model, str(write(tmp_path / "a.pth", state)), strict=True).is_clean


def test_too_few_matches_is_an_error_and_changes_nothing(source, model, tmp_path):
    half = dict(list(source.items())[: len(source) // 2])
    path = write(tmp_path / "half.pth", half)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(InputError, match=r"half\.pth does not fit: \d+ of \d+ tensors match"):
        load_pretrained(model, str(path))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("layout", ["ours.pth", "timm.safetensors"])
def test_weights_of_another_architecture(source, layout, tmp_path):
    state = to_timm(source, ARCH) if layout.startswith("timm") else source
    path = write(tmp_path / layout, dict(state))
    with pytest.raises(InputError) as caught:
        load_pretrained(MobileNetV4("conv_m"), str(path))
    assert re.search(
        rf"{layout} does not fit: .*the model is conv_m, .* fits {ARCH}", str(caught.value)
    )


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0, 60, 0.5, 0.999])
def test_truncated_file(source, model, suffix, kept, tmp_path):
    path = write(tmp_path / f"cut{suffix}", dict(source))
    data = path.read_bytes()
    path.write_bytes(data[: kept if kept > 1 else int(kept * len(data))])
    with pytest.raises(InputError, match=rf"cut\{suffix} is damaged") as caught:
        load_pretrained(model, str(path))
    assert "\n" not in str(caught.value)


def test_flipped_bit_is_refused(source, model, tmp_path):
    path = write(tmp_path / "flipped.pth", dict(source))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"flipped\.pth is damaged .*checksum"):
        load_pretrained(model, str(path))


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {"state_dict": {}}])
def test_file_without_tensors(content, model, tmp_path):
    path = write(tmp_path / "empty.pth", content)
    with pytest.raises(InputError, match=r"empty\.pth holds no named tensors"):
        load_pretrained(model, str(path))


class Payload:
    def __reduce__(self):
        return (print, ("code of the file ran",))


def test_code_in_a_file_is_not_run(source, model, tmp_path, capsys):
    path = write(tmp_path / "evil.pth", {"state_dict": source, "meta": Payload()})
    with pytest.raises(InputError, match=r"evil\.pth holds Python objects"):
        load_pretrained(model, str(path))
    assert "ran" not in capsys.readouterr().out


@pytest.mark.parametrize("how", ["meta", "config", "file name"])
@pytest.mark.parametrize("strict", [False, True])
def test_twin_with_other_downsampling_is_refused(how, strict, tmp_path):
    with torch.device("meta"):
        state = MobileNetV4("conv_m").state_dict()
    state = {key: torch.ones_like(value, device="cpu") for key, value in state.items()}
    meta = {
        "meta": {"arch": "conv_m"},
        "config": {"cfg": "model = dict(backbone=dict(arch='conv_m'))"},
        "file name": {},
    }[how]
    stem = "mobilenetv4_conv_medium.e500_r256_in1k" if how == "file name" else "weights"
    path = tmp_path / f"{stem}.pth"
    torch.save({"meta": meta, "state_dict": state}, path)

    assert load_pretrained(MobileNetV4("conv_m"), str(path), strict=strict).is_clean
    model = MobileNetV4("conv_blur_m")
    with pytest.raises(InputError) as caught:
        load_pretrained(model, str(path), strict=strict)
    assert "downsample_filter=None, the model has 'blur'" in str(caught.value)
    assert "the model is conv_blur_m, the file fits conv_m:" in str(caught.value)
    assert not torch.equal(model.stem.conv.weight, state["stem.conv.weight"])


@pytest.mark.parametrize("this_rank", [0, 1])
def test_machine_without_the_download_fails_on_every_rank(monkeypatch, tmp_path, this_rank):
    """Rank 1 is on another machine, and nothing tells it to download."""
    gathered = []

    def fetch(hub_id, local_files_only=False):
        if this_rank == 1:
            raise InputError("not in the cache")
        return tmp_path / "model.safetensors"

    def gather(mine):
        others = [[None], ["rank 1: not in the cache" if this_rank == 0 else None]]
        gathered.append([*others[len(gathered)], mine])
        return gathered[-1]

    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.delenv("OMPI_COMM_WORLD_LOCAL_RANK", raising=False)
    for name, value in {
        "download": fetch,
        "all_gather_object": gather,
        "get_rank": lambda: this_rank,
        "get_world_size": lambda: 2,
    }.items():
        monkeypatch.setattr(load, name, value)
    with pytest.raises(InputError, match="rank 1: not in the cache"):
        load.open_weights("conv_s_050")
    assert len(gathered) == 2


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"])
def test_each_machine_downloads_once(monkeypatch, tmp_path, variable):
    asked = []

    def fetch(hub_id, local_files_only=False):
        asked.append(local_files_only)
        return tmp_path / "nothing.safetensors"

    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(load, "download", fetch)
    monkeypatch.setattr(load, "all_gather_object", lambda mine: [mine])
    monkeypatch.setattr(load, "get_rank", lambda: 8)
    monkeypatch.setattr(load, "get_world_size", lambda: 16)
    for local_rank in ("0", "1"):
        monkeypatch.setenv(variable, local_rank)
        with pytest.raises(MissingFileError):
            load.open_weights("conv_s_050")
    assert asked == [False, True]


def test_diverged_weights_are_refused(source, model, tmp_path):
    state = dict(source) | {"backbone.stem.bn.weight": torch.full((32,), float("nan"))}
    with pytest.raises(InputError, match=r"stem\.bn\.weight holds NaN"):
        load_pretrained(model, str(write(tmp_path / "nan.pth", state)))


def test_missing_file_and_unknown_name(model, tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.pth"):
        load_pretrained(model, str(tmp_path / "nowhere.pth"))
    with pytest.raises(InputError, match=r"did you mean 'conv_s\.e2400_r224_in1k'"):
        load_pretrained(model, "conv_s.e2400_r224_in")


def test_folder(source, ours, model, tmp_path):
    load_pretrained(model, str(tmp_path))
    assert_backbone_equal(model, source)
    write(tmp_path / "other.pth", dict(source))
    with pytest.raises(InputError, match=r"holds other\.pth, ours\.pth"):
        load_pretrained(model, str(tmp_path))
    write(tmp_path / "model.safetensors", {k: v + 1 for k, v in source.items()})
    load_pretrained(model, str(tmp_path))
    assert torch.equal(model.stem.conv.weight, source["backbone.stem.conv.weight"] + 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match="holds no weights"):
        load_pretrained(model, str(tmp_path / "empty"))


IMAGENET = [123.675, 116.28, 103.53]


@pytest.mark.parametrize(
    ("name", "mean"),
    [
        (None, IMAGENET),
        ("conv_m.e500_r256_in1k", IMAGENET),
        ("hf-hub:timm/mobilenetv4_conv_small.e3600_r256_in1k", [127.5] * 3),
        ("conv_s_050", [127.5] * 3),
    ],
)
def test_normalisation_of_a_name(name, mean):
    values = normalisation_for(name)
    assert values["mean"] == mean
    assert values["bgr_to_rgb"] is True
    assert values["std"] == ([58.395, 57.12, 57.375] if mean is IMAGENET else mean)


CONFIG = """
model = dict(
    backbone=dict(arch='conv_s_035', type='MobileNetV4'),
    data_preprocessor=dict(
        mean=[
            51.0,
            102.0,
            153.0,
        ], std=[25.5, 25.5, 51.0], type='DetDataPreprocessor'))
"""


def test_normalisation_of_a_file(source, ours, tmp_path):
    assert normalisation_for(str(ours))["mean"] == IMAGENET

    torch.save({"meta": {"cfg": CONFIG}, "state_dict": source}, tmp_path / "run.pth")
    assert normalisation_for(str(tmp_path / "run.pth"))["mean"] == [51.0, 102.0, 153.0]
    assert normalisation_for(str(tmp_path / "run.pth"))["std"] == [25.5, 25.5, 51.0]

    named = tmp_path / "mobilenetv4_conv_small_050.e3000_r224_in1k.safetensors"
    safetensors.torch.save_file(source, named)
    assert normalisation_for(str(named))["mean"] == [127.5] * 3

    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    safetensors.torch.save_file(source, snapshot / "model.safetensors")
    config = {"pretrained_cfg": {"mean": [0.2, 0.4, 0.6], "std": [0.1, 0.1, 0.2]}}
    (snapshot / "config.json").write_text(json.dumps(config))
    assert normalisation_for(str(snapshot))["mean"] == [51.0, 102.0, 153.0]
    for other in ("[1]", '{"pretrained_cfg": null}'):  # another program's
        (snapshot / "config.json").write_text(other)
        assert normalisation_for(str(snapshot))["mean"] == IMAGENET
    (snapshot / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is not JSON"):
        normalisation_for(str(snapshot))


@pytest.mark.parametrize("mean", [[0.5, 0.5], [120, 110, 100], "grey"])
def test_impossible_normalisation(source, mean, tmp_path):
    path = tmp_path / "odd.pth"
    torch.save({"meta": {"mean": mean, "std": [0.2, 0.2, 0.2]}, "state_dict": source}, path)
    with pytest.raises(InputError, match=r"odd\.pth"):
        normalisation_for(str(path))


@pytest.mark.parametrize("mean", ["None", "[1.0, None, 3.0]", "7"])
def test_impossible_normalisation_in_a_config(source, mean, tmp_path):
    path = tmp_path / "odd.pth"
    config = f"model = dict(data_preprocessor=dict(mean={mean}, std=[58.0, 57.0, 57.0]))"
    torch.save({"meta": {"cfg": config}, "state_dict": source}, path)
    with pytest.raises(InputError, match=r"odd\.pth: mean .* are not three numbers"):
        normalisation_for(str(path))
