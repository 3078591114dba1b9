"""Published MobileNetV4 weights: timm's 24 tags on the Hugging Face hub, all Apache-2.0.

Source: `timm.models.mobilenetv3.default_cfgs` (timm 1.0.31) for the input, timm's
`results/results-imagenet.csv` for top-1. A test compares every row with the installed timm.
"""

from dataclasses import dataclass

from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = [
    "CATALOGUE",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "TIMM_ARCHS",
    "WeightsEntry",
    "canonical",
    "entries_for",
    "find_entry",
    "get_entry",
]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_INCEPTION_MEAN, _INCEPTION_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)

# Every architecture timm has, with or without weights.
TIMM_ARCHS = {
    "conv_s_035": "mobilenetv4_conv_small_035",
    "conv_s_050": "mobilenetv4_conv_small_050",
    "conv_s": "mobilenetv4_conv_small",
    "conv_m": "mobilenetv4_conv_medium",
    "conv_l": "mobilenetv4_conv_large",
    "hybrid_m": "mobilenetv4_hybrid_medium",
    "hybrid_l": "mobilenetv4_hybrid_large",
    "conv_aa_m": "mobilenetv4_conv_aa_medium",
    "conv_blur_m": "mobilenetv4_conv_blur_medium",
    "conv_aa_l": "mobilenetv4_conv_aa_large",
    "hybrid_m_075": "mobilenetv4_hybrid_medium_075",
    "hybrid_l_075": "mobilenetv4_hybrid_large_075",
}


@dataclass(frozen=True)
class WeightsEntry:
    """One published set of weights.

    Args:
        name: What a config says, `arch.tag`.
        arch: This toolkit's architecture name.
        tag: timm's tag: epochs, training resolution, data.
        hub_id: Repository on the hub.
        mean: Mean the images were normalised with, RGB in 0..1.
        std: Standard deviation likewise.
        input_size: Training resolution in pixels (square).
        test_input_size: Resolution that timm tests at, in pixels; top-1 is given there.
        crop_pct: Centre-crop fraction at `input_size`.
        test_crop_pct: Centre-crop fraction at `test_input_size`.
        interpolation: Resize filter.
        top1: ImageNet-1k top-1 in percent at `test_input_size`; None for ImageNet-12k heads.
        num_classes: Width of the published classifier.
        licence: SPDX identifier.
        source: Page of the weights.
    """

    name: str
    arch: str
    tag: str
    hub_id: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    input_size: int
    test_input_size: int
    crop_pct: float
    test_crop_pct: float
    interpolation: str
    top1: float | None
    num_classes: int
    licence: str
    source: str

    @property
    def timm_name(self) -> str:
        """Name that timm uses, `mobilenetv4_conv_medium.e500_r256_in1k`."""
        return self.hub_id.removeprefix("timm/")


# arch, tag, train px, test px, crop, test crop, top-1 at test px, mean/std.
# An architecture's first row is its default (timm's default too).
_IN, _HALF = (IMAGENET_MEAN, IMAGENET_STD), (_INCEPTION_MEAN, _INCEPTION_STD)
_ROWS = (
    ("conv_s_050", "e3000_r224_in1k", 224, 256, 0.875, 0.95, 65.826, _HALF),
    ("conv_s", "e2400_r224_in1k", 224, 256, 0.875, 0.95, 74.644, _IN),
    ("conv_s", "e1200_r224_in1k", 224, 256, 0.875, 0.95, 74.282, _IN),
    ("conv_s", "e3600_r256_in1k", 256, 320, 0.95, 1.0, 75.616, _HALF),
    ("conv_m", "e500_r256_in1k", 256, 320, 0.95, 1.0, 80.890, _IN),
    ("conv_m", "e500_r224_in1k", 224, 256, 0.95, 1.0, 79.836, _IN),
    ("conv_m", "e250_r384_in12k_ft_in1k", 384, 384, 0.95, 0.95, 82.776, _IN),
    ("conv_m", "e180_r384_in12k", 384, 384, 1.0, 1.0, None, _IN),
    ("conv_m", "e180_ad_r384_in12k", 384, 384, 1.0, 1.0, None, _IN),
    ("conv_m", "e250_r384_in12k", 384, 384, 1.0, 1.0, None, _IN),
    ("conv_l", "e600_r384_in1k", 384, 448, 0.95, 1.0, 83.418, _IN),
    ("conv_l", "e500_r256_in1k", 256, 320, 0.95, 1.0, 82.672, _IN),
    ("hybrid_m", "e200_r256_in12k_ft_in1k", 256, 320, 0.95, 1.0, 82.998, _IN),
    ("hybrid_m", "ix_e550_r256_in1k", 256, 320, 0.95, 1.0, 82.500, _IN),
    ("hybrid_m", "ix_e550_r384_in1k", 384, 448, 0.95, 1.0, 83.390, _IN),
    ("hybrid_m", "e500_r224_in1k", 224, 256, 0.95, 1.0, 81.284, _IN),
    ("hybrid_m", "e200_r256_in12k", 256, 320, 0.95, 1.0, None, _IN),
    ("hybrid_l", "ix_e600_r384_in1k", 384, 448, 0.95, 1.0, 84.352, _IN),
    ("hybrid_l", "e600_r384_in1k", 384, 448, 0.95, 1.0, 84.264, _IN),
    ("conv_blur_m", "e500_r224_in1k", 224, 256, 0.95, 1.0, 80.152, _IN),
    ("conv_aa_l", "e230_r448_in12k_ft_in1k", 448, 544, 0.95, 1.0, 84.990, _IN),
    ("conv_aa_l", "e230_r384_in12k_ft_in1k", 384, 480, 0.95, 1.0, 84.772, _IN),
    ("conv_aa_l", "e600_r384_in1k", 384, 480, 0.95, 1.0, 83.826, _IN),
    ("conv_aa_l", "e230_r384_in12k", 384, 448, 0.95, 1.0, None, _IN),
)


def _entry(row: tuple) -> WeightsEntry:
    arch, tag, input_size, test_input_size, crop_pct, test_crop_pct, top1, (mean, std) = row
    hub_id = f"timm/{TIMM_ARCHS[arch]}.{tag}"
    return WeightsEntry(
        name=f"{arch}.{tag}",
        arch=arch,
        tag=tag,
        hub_id=hub_id,
        mean=mean,
        std=std,
        input_size=input_size,
        test_input_size=test_input_size,
        crop_pct=crop_pct,
        test_crop_pct=test_crop_pct,
        interpolation="bicubic",
        top1=top1,
        num_classes=11821 if tag.endswith("in12k") else 1000,
        licence="apache-2.0",
        source=f"https://huggingface.co/{hub_id}",
    )


CATALOGUE: dict[str, WeightsEntry] = {entry.name: entry for entry in map(_entry, _ROWS)}

_OUR_ARCHS = {timm_name: arch for arch, timm_name in TIMM_ARCHS.items()}


def canonical(name: str) -> str:
    """Return our spelling of a name: `hf-hub:timm/mobilenetv4_conv_small.x` -> `conv_s.x`."""
    for prefix in ("hf-hub:", "hf_hub:", "timm/"):
        name = name.removeprefix(prefix)
    arch, dot, tag = name.partition(".")
    return _OUR_ARCHS.get(arch, arch) + dot + tag


def entries_for(arch: str) -> list[WeightsEntry]:
    """Return the entries of one architecture (our name or timm's), the default first."""
    return [entry for entry in CATALOGUE.values() if entry.arch == canonical(arch)]


def find_entry(name: str) -> WeightsEntry | None:
    """Return the entry that `name` means, or None.

    Args:
        name: `arch.tag`, timm's `mobilenetv4_*.tag`, either behind `timm/` or `hf-hub:timm/`, or
            an architecture alone, which means its first entry.
    """
    name = canonical(name)
    return CATALOGUE.get(name) or next(iter(entries_for(name)), None)


def get_entry(name: str) -> WeightsEntry:
    """Return the entry that `name` means.

    Raises:
        InputError: Nothing is published under that name; lists what is.
    """
    entry = find_entry(name)
    if entry is not None:
        return entry
    ours = canonical(name)
    arch = ours.partition(".")[0]
    if tags := entries_for(arch):
        allowed = f"{arch} has {', '.join(entry.name for entry in tags)}"
    elif arch in TIMM_ARCHS:
        allowed = f"none are published for {arch}: train from scratch with pretrained=None"
    else:
        allowed = f"architectures with weights: {', '.join(dict.fromkeys(r[0] for r in _ROWS))}"
    hint = did_you_mean(ours, CATALOGUE)
    raise InputError(
        f"no weights named {name!r}{hint}; {allowed}; `python tools/weights.py list` shows all"
    )
