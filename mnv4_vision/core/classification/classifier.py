"""An image classifier as mmengine's runner trains it: backbone, head, loss, mixed batches."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ClassSample", "Classifier"]


class ClassSample(BaseDataElement):
    """What is known of an image.

    Attributes:
        gt_label: Number of its class, or `gt_score`: a probability for each class `(K,)`.
        pred_score: The model's probability for each class `(K,)`.
    """


@MODELS.register_module()
class Classifier(BaseModel):
    """Backbone and head with the loss between logits and the classes' target probabilities.

    Args:
        backbone: Config of a backbone with the feature contract.
        head: Config of what maps the last map, C5 or the neck's, to logits `(B, K)`.
        loss: Config of the loss; cross-entropy by default.
        mixing: Config of what mixes images and targets of a training batch, such as `BatchMixing`.
        neck: Config of what maps the backbone's maps to others, such as `MultiScaleFusionNeck`.
        l2_penalty: TensorFlow's `l2_weight_decay`: the loss gets this times half the sum of squares
            of the weights of convolutions and linear layers, depthwise ones left out.
        data_preprocessor: mmengine's.
        init_cfg: mmengine's.
    """

    def __init__(
        self,
        backbone: dict,
        head: dict,
        loss: dict | None = None,
        mixing: dict | None = None,
        neck: dict | None = None,
        l2_penalty: float = 0.0,
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck) if neck else None
        self.head = MODELS.build(head)
        self.loss = MODELS.build(loss or dict(type="SoftCrossEntropyLoss"))
        self.mixing = MODELS.build(mixing) if mixing else None
        self.l2_penalty = l2_penalty

    def init_weights(self) -> None:
        """Load the backbone's `pretrained`, and what fits of the head that comes with it."""
        super().init_weights()
        if name := getattr(self.backbone, "pretrained", None):
            from mnv4_vision.core.weights.head import load_pretrained_head  # knows the backbones

            load_pretrained_head(self, name)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[ClassSample] | None = None,
        mode: str = "tensor",
    ) -> Tensor | dict[str, Tensor] | Sequence[ClassSample]:
        """Run the network.

        Args:
            inputs: Images `(B, 3, H, W)`, normalised.
            data_samples: One for each image; needed for "loss", filled by "predict".
            mode: "loss" for a dict of losses, "predict" for the samples, "tensor" for the logits.
        """
        if mode == "loss":
            return self._loss(inputs, data_samples)
        logits = self._logits(inputs)
        if mode == "tensor":
            return logits
        samples = data_samples or [ClassSample() for _ in logits]
        for sample, score in zip(samples, logits.float().softmax(1), strict=True):
            sample.pred_score = score
        return samples

    def _logits(self, inputs: Tensor) -> Tensor:
        maps = self.backbone(inputs)
        return self.head((self.neck(maps) if self.neck else maps)[-1])

    def _loss(self, inputs: Tensor, data_samples: Sequence[ClassSample]) -> dict[str, Tensor]:
        targets = targets_of(data_samples, self.head.num_classes, inputs.device)
        if self.mixing is not None:
            inputs, targets = self.mixing(inputs, targets)
        logits = self._logits(inputs)
        right = (logits.argmax(1) == targets.argmax(1)).float().mean()
        losses = {"loss": self.loss(logits, targets), "accuracy": 100 * right}
        if self.l2_penalty:
            kernels = filter(_is_penalised, self.parameters())
            losses["loss_l2"] = self.l2_penalty / 2 * sum(p.square().sum() for p in kernels)
        return losses


def _is_penalised(parameter: nn.Parameter) -> bool:
    """Whether it is a matrix or a kernel of several input channels, as depthwise ones have not."""
    return parameter.requires_grad and parameter.ndim > 1 and parameter.shape[1] > 1


def targets_of(samples: Sequence[ClassSample], num_classes: int, device: torch.device) -> Tensor:
    """Return the probability of each class `(B, K)` that the samples want."""
    if all("gt_score" in sample for sample in samples):
        return torch.stack([sample.gt_score for sample in samples]).to(device)
    labels = torch.tensor([int(sample.gt_label) for sample in samples], device=device)
    return functional.one_hot(labels, num_classes).float()
