"""Pictures of the images that a model is surest of and wrong about."""

from collections.abc import Iterator, Sequence

import cv2

from mnv4_vision.cls.evaluation.tally import Outcome
from mnv4_vision.core.drawing import fit_into
from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets import read_image

__all__ = ["draw_worst"]

CELL_PX = (320, 320)
JPEG_QUALITY = 80


def draw_worst(
    outcomes: Sequence[Outcome], class_names: Sequence[str]
) -> Iterator[tuple[bytes | None, str]]:
    """Yield a JPEG and its caption for each image.

    Where a photo cannot be read, the JPEG is None and the caption says why.

    Args:
        outcomes: the surest first.
        class_names: K names.
    """
    for outcome in outcomes:
        try:
            photo = read_image(outcome.file)
        except InputError as error:
            yield None, str(error)
            continue
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        jpeg = cv2.imencode(".jpg", fit_into(photo, CELL_PX), quality)[1].tobytes()
        yield jpeg, _caption(outcome, class_names)


def _caption(outcome: Outcome, class_names: Sequence[str]) -> str:
    return (
        f"{class_names[outcome.truth]} ({100 * outcome.truth_score:.1f} %) taken for "
        f"{class_names[outcome.prediction]} ({100 * outcome.confidence:.1f} %): {outcome.file}"
    )
