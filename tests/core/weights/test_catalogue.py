import pytest

from mnv4_vision.core.backbones import ARCHS
from mnv4_vision.core.errors import InputError
from mnv4_vision.core.weights import CATALOGUE, find_entry, get_entry
from mnv4_vision.core.weights.catalogue import TIMM_ARCHS, entries_for

# timm's results-imagenet.csv, the row of the larger test size (facts that timm does not install).
TOP1 = {
    "conv_s_050.e3000_r224_in1k": (256, 65.826),
    "conv_s.e3600_r256_in1k": (320, 75.616),
    "conv_m.e500_r256_in1k": (320, 80.890),
    "conv_m.e250_r384_in12k_ft_in1k": (384, 82.776),
    "conv_l.e600_r384_in1k": (448, 83.418),
    "hybrid_m.ix_e550_r384_in1k": (448, 83.390),
    "hybrid_l.ix_e600_r384_in1k": (448, 84.352),
    "conv_aa_l.e230_r448_in12k_ft_in1k": (544, 84.990),
    "conv_blur_m.e500_r224_in1k": (256, 80.152),
}


@pytest.fixture(scope="module")
def timm_configs():
    """Every pretrained MobileNetV4 of the installed timm: `name.tag` -> its config."""
    mobilenetv3 = pytest.importorskip("timm.models.mobilenetv3")
    return {
        f"{name}.{tag}": config
        for name, configs in mobilenetv3.default_cfgs.items()
        if name.startswith("mobilenetv4")
        for tag, config in configs.cfgs.items()
        if config.hf_hub_id
    }


def test_has_exactly_the_weights_of_timm(timm_configs):
    assert len(CATALOGUE) == 24
    assert {entry.timm_name for entry in CATALOGUE.values()} == set(timm_configs)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_entry_equals_the_config_of_timm(entry, timm_configs):
    config = timm_configs[entry.timm_name]
    test_size = config.test_input_size or config.input_size
    assert entry.hub_id == config.hf_hub_id + entry.timm_name
    assert (entry.mean, entry.std) == (config.mean, config.std)
    assert (3, entry.input_size, entry.input_size) == config.input_size
    assert (3, entry.test_input_size, entry.test_input_size) == test_size
    assert entry.crop_pct == config.crop_pct
    assert entry.test_crop_pct == (config.test_crop_pct or config.crop_pct)
    assert entry.interpolation == config.interpolation
    assert entry.num_classes == config.num_classes
    assert entry.licence == config.license
    assert (entry.top1 is None) == (config.num_classes != 1000)


@pytest.mark.parametrize("name", TOP1)
def test_top1_belongs_to_the_test_size(name):
    entry = CATALOGUE[name]
    assert (entry.test_input_size, entry.top1) == TOP1[name]


@pytest.mark.parametrize("arch", dict.fromkeys(entry.arch for entry in CATALOGUE.values()))
def test_architecture_alone_means_the_default_of_timm(arch, timm_configs):
    first = next(name for name in timm_configs if name.startswith(TIMM_ARCHS[arch] + "."))
    assert get_entry(arch).timm_name == first
    assert get_entry(TIMM_ARCHS[arch]) is get_entry(arch)


def test_architectures_are_ours_and_those_of_timm(timm_configs):
    assert set(TIMM_ARCHS) == set(ARCHS) - {"conv_m_seg"}  # TensorFlow's only
    mobilenetv3 = pytest.importorskip("timm.models.mobilenetv3")
    known = {name for name in mobilenetv3.default_cfgs if name.startswith("mobilenetv4")}
    assert set(TIMM_ARCHS.values()) == known


@pytest.mark.parametrize("prefix", ["", "timm/", "hf-hub:timm/", "hf_hub:timm/"])
def test_every_spelling_of_a_name(prefix):
    entry = CATALOGUE["conv_m.e500_r256_in1k"]
    assert get_entry(prefix + "mobilenetv4_conv_medium.e500_r256_in1k") is entry


def test_entries_for_an_architecture():
    assert [entry.tag for entry in entries_for("conv_l")] == ["e600_r384_in1k", "e500_r256_in1k"]
    assert entries_for("conv_s_035") == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("conv_m.e500_r265_in1k", "did you mean 'conv_m.e500_r256_in1k'"),
        ("conv_l.e1_in1k", "conv_l has conv_l.e600_r384_in1k, conv_l.e500_r256_in1k"),
        ("conv_s_035", "none are published for conv_s_035"),
        ("resnet50", "architectures with weights: conv_s_050, conv_s"),
        ("", "architectures with weights"),
    ],
)
def test_unknown_name_lists_what_there_is(name, says):
    assert find_entry(name) is None
    with pytest.raises(InputError) as caught:
        get_entry(name)
    assert says in str(caught.value)
    assert "tools/weights.py list" in str(caught.value)
