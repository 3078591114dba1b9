"""mmseg's `EncoderDecoder` with a prediction that makes labels, not full-resolution logits."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import ceil, log, log2
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn import functional

from mnv4_vision.core.errors import InputError
from mnv4_vision.seg.models.argmax import Span, interpolated_argmax
from mnv4_vision.seg.models.looks import Looks, window_ranges

__all__ = ["MobileSegmentor"]


@MODELS.register_module()
class MobileSegmentor(EncoderDecoder):
    """mmseg's `EncoderDecoder`: constructor, weights and training are the same.

    `predict` goes from the head's logits to labels of the photo's size in one bilinear step, which
    computes only what decides (`interpolated_argmax`), and returns no `seg_logits`. mmseg
    interpolates twice, first to the network's input and then to the photo. Where both have one
    size the labels are equal, ties within rounding aside; where the photo was resized, some along
    borders differ (docs/benchmarks.md has the shares).

    `test_cfg` takes `mode`, `crop_size`, `stride`, `scales` and `flip` (see `Looks`). Windows,
    scales and mirrored images are averaged at the head's resolution, in memory that does not
    depend on their number. mmseg averages after upsampling: along borders some labels differ, as
    windows end elsewhere, and softmax and interpolation do not commute. Of images whose size the
    head's stride does not divide, the last window lies up to a stride off, as a whole map does.

    Args:
        *args: As of mmseg's `EncoderDecoder`.
        **kwargs: As of mmseg's `EncoderDecoder`.

    Raises:
        InputError: `test_cfg` is wrong, or the head makes its labels in another way.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check_head(self.decode_head)
        if Looks.of(self.test_cfg).mode == "slide" and self.align_corners:
            raise InputError("model.test_cfg.mode='slide' needs decode_head.align_corners=False")

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Label images `(B, 3, H, W)`.

        Returns:
            The samples with `pred_sem_seg.data`, `(1, H, W)` labels at the sample's `ori_shape`
            (without it, at the input's), uint8 for up to 255 classes.
        """
        if data_samples is None:
            data_samples = [SegDataSample() for _ in inputs]
        logits = self._averaged_logits(inputs, Looks.of(self.test_cfg))
        if self.out_channels == 1:  # one sigmoid for two classes
            other = log(self.decode_head.threshold / (1 - self.decode_head.threshold))
            logits = torch.cat([torch.full_like(logits, other), logits], 1)
        for sample, image_logits in zip(data_samples, logits, strict=True):
            labels = self._labels(image_logits[None], sample.metainfo, inputs.shape[2:])
            sample.pred_sem_seg = PixelData(data=labels)
        return list(data_samples)

    def _labels(self, logits: Tensor, meta: Mapping[str, Any], input_size: torch.Size) -> Tensor:
        """Map logits `(1, C, h, w)` to labels `(1, H, W)` of the photo, without its padding."""
        padding = meta.get("img_padding_size") or meta.get("padding_size") or (0, 0, 0, 0)
        left, right, top, bottom = map(int, padding)
        spans = tuple(
            Span(before, whole - before - after, whole)
            for before, after, whole in zip((top, left), (bottom, right), input_size, strict=True)
        )
        size = tuple(meta.get("ori_shape") or (span.length for span in spans))[:2]
        labels = interpolated_argmax(
            logits,
            size,
            align_corners=self.align_corners,
            spans=spans if any(map(int, padding)) else None,
        )
        if meta.get("flip"):
            labels = labels.flip(2 if meta["flip_direction"] == "horizontal" else 1)
        return labels

    def _averaged_logits(self, inputs: Tensor, looks: Looks) -> Tensor:
        """Return logits, or log-odds of one class, `(B, C, h, w)` at the head's resolution.

        Of several looks it is the mean probability, on the grid of the largest scale.
        """
        if not looks.augments:
            return self._logits(inputs, looks)
        mean, share = None, 1 / (len(looks.scales) * (1 + looks.flip))
        for scale in sorted(looks.scales, reverse=True):
            for mirrored in (False, True)[: 1 + looks.flip]:
                seen = _scaled(inputs, scale)
                logits = self._logits(seen.flip(3) if mirrored else seen, looks)
                part = share * (logits.sigmoid() if self.out_channels == 1 else logits.softmax(1))
                part = part.flip(3) if mirrored else part
                mean = part if mean is None else mean.add_(self._resized(part, mean.shape[2:]))
        return mean.logit(eps=1e-6) if self.out_channels == 1 else mean

    def _logits(self, inputs: Tensor, looks: Looks) -> Tensor:
        return self._slide(inputs, looks) if looks.mode == "slide" else self._whole(inputs)

    def _whole(self, inputs: Tensor) -> Tensor:
        return self.decode_head(self.extract_feat(inputs))

    def _slide(self, inputs: Tensor, looks: Looks) -> Tensor:
        """Average the logits of windows where they overlap."""
        axes = [*map(window_ranges, inputs.shape[2:], looks.crop_size, looks.stride)]
        windows = [*product(*axes)]
        first = self._whole(_cut(inputs, windows[0]))
        places = [*product(*map(_map_ranges, axes, first.shape[2:]))]
        size = [side.stop for side in places[-1]]
        total, count = first.new_zeros(*first.shape[:2], *size), first.new_zeros(size)
        for window, place in zip(windows, places, strict=True):
            is_first = window is windows[0]
            total[..., place[0], place[1]] += (
                first if is_first else self._whole(_cut(inputs, window))
            )
            count[place] += 1
        return total.div_(count)

    def _resized(self, maps: Tensor, size: torch.Size) -> Tensor:
        return functional.interpolate(maps, size, mode="bilinear", align_corners=self.align_corners)


def _cut(images: Tensor, window: tuple[range, range]) -> Tensor:
    row, column = window
    return images[:, :, row.start : row.stop, column.start : column.stop]


def _map_ranges(windows: Sequence[range], first_length: int) -> list[slice]:
    """Return where windows of pixels lie on the head's map; the first has `first_length` there."""
    if len(windows) == 1:
        return [slice(0, first_length)]
    stride = 2 ** ceil(log2(len(windows[0]) / first_length))
    return [slice(w.start // stride, ceil(w.stop / stride)) for w in windows]


def _scaled(images: Tensor, scale: float) -> Tensor:
    """Resize as OpenCV's linear interpolation does in mmseg's test-time augmentation."""
    if scale == 1:
        return images
    size = [max(1, round(side * scale)) for side in images.shape[2:]]
    return functional.interpolate(images, size, mode="bilinear", align_corners=False)


def _check_head(head: nn.Module) -> None:
    """Refuse a head whose `forward` is not all there is to its logits."""
    for name in ("predict", "predict_by_feat"):
        if getattr(type(head), name) is not getattr(BaseDecodeHead, name):
            raise InputError(
                f"MobileSegmentor: {type(head).__name__} has a {name} of its own; use "
                "type=mmseg's EncoderDecoder for it"
            )
