"""Image loading that notices damage: truncated files, wrong sizes, and what to do about them."""

from io import BytesIO
from logging import WARNING

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.logging import print_log
from mmengine.registry import TRANSFORMS
from PIL import Image

from mnv4_vision.core.errors import InputError, MissingFileError, did_you_mean
from mnv4_vision.datasets.stores import is_record, read_record

__all__ = ["ON_ERROR", "LoadImage", "has_ending", "read_image", "read_whole"]

ON_ERROR = ("stop", "skip", "blank")
# First bytes of a format and the bytes that end a whole file of it. JPEG: FF D9 cannot occur in
# the compressed data (FF is stuffed with 00 there), so a file that ends so was not cut off.
_ENDINGS = {
    b"\xff\xd8\xff": b"\xff\xd9",
    b"\x89PNG\r\n\x1a\n": b"IEND\xaeB`\x82",
}


def read_image(
    path: str,
    size: tuple[int, int] | None = None,
    *,
    color_type: str = "color",
    imdecode_backend: str = "cv2",
    backend_args: dict | None = None,
) -> np.ndarray:
    """Read an image and refuse what a decoder may pass on damaged.

    `cv2.imread` fills the missing part of a truncated JPEG with grey and returns it;
    `cv2.imdecode` of OpenCV 4.12 returns nothing, other versions and decoders differ. Here the
    end of the file decides.

    Args:
        path: File path, record of a store, or URL of an mmengine storage backend.
        size: Recorded `(width, height)`. It decides about EXIF rotation: the picture is turned
            as its tag says (what browsers and labelling tools show), unless only the stored
            orientation has the recorded size (annotated with a tool that ignores the tag).
            COCO's own files carry no tag.
        color_type: mmcv's decoding flag.
        imdecode_backend: mmcv's decoder.
        backend_args: mmengine's storage options.

    Returns:
        `(H, W, 3)` uint8 in BGR order.

    Raises:
        MissingFileError: There is no such file.
        InputError: Truncated, not an image, or not of the recorded size.
    """
    content = read_whole(path, "image", backend_args)
    image = _decode(content, color_type, imdecode_backend)
    if image is None:
        raise InputError(f"image {path} cannot be decoded ({len(content)} bytes)")
    if size is None or _size(image) == size:
        return image
    if color_type == "color" and _size(image) == size[::-1]:
        stored = _decode(content, "color_ignore_orientation", imdecode_backend)
        if stored is not None and _size(stored) == size:
            return stored
    raise InputError(
        f"image {path} is {_show(_size(image))}, but its annotations say {_show(size)} "
        "(width x height)"
    )


def read_whole(path: str, what: str, backend_args: dict | None = None) -> bytes:
    """Read an image file that was not cut off; `what` names its role in the error line.

    Raises:
        MissingFileError: There is no such file.
        InputError: Unreadable or truncated.
    """
    try:
        content = (
            read_record(path) if is_record(path) else fileio.get(path, backend_args=backend_args)
        )
    except FileNotFoundError:
        raise MissingFileError(f"{what} {path} does not exist") from None
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read: {error}") from None
    if _is_truncated(content):
        raise InputError(f"{what} {path} is truncated ({len(content)} bytes)")
    return content


def has_ending(start: bytes, end: bytes) -> bool:
    """Whether a file with these first and last bytes ends as its format does, where known."""
    ending = next((e for magic, e in _ENDINGS.items() if start.startswith(magic)), b"")
    return end.endswith(ending)


def _is_truncated(content: bytes) -> bool:
    if has_ending(content, content):
        return False
    # Cameras append padding or previews after the end; only a strict decoder knows. Rare.
    try:
        with Image.open(BytesIO(content)) as image:
            image.load()
    except Exception:  # Pillow raises OSError, SyntaxError, struct.error, ... for broken files
        return True
    return False


def _decode(content: bytes, color_type: str, backend: str) -> np.ndarray | None:
    try:
        return mmcv.imfrombytes(content, flag=color_type, backend=backend)
    except Exception:  # the decoders' own types: cv2.error, PIL.UnidentifiedImageError, ...
        return None


def _recorded_size(results: dict) -> tuple[int, int] | None:
    width, height = results.get("width"), results.get("height")
    return (width, height) if width and height else None


def _size(image: np.ndarray) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _show(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an image as mmcv does, with a policy for damaged files.

    Where `results` hold `width` and `height` (as COCO data sets do), the picture must have that
    size; see `read_image` for EXIF rotation.

    Args:
        on_error: `stop` raises an `InputError` that names the file. `skip` drops the sample, so
            that the data set draws another one: for training only, an evaluation that leaves
            images out is not comparable. `blank` puts a black image of the recorded size in its
            place: for evaluation, where every object on it then counts as missed; it stops where
            no size is recorded. Both log the file and a running count per loader worker.
        **kwargs: See `mmcv.transforms.LoadImageFromFile`; its `ignore_empty` is not accepted.
    """

    def __init__(self, *, on_error: str = "stop", **kwargs) -> None:
        if on_error not in ON_ERROR:
            raise InputError(
                f"LoadImage: on_error is {on_error!r}, allowed are {', '.join(ON_ERROR)}"
                f"{did_you_mean(str(on_error), ON_ERROR)}"
            )
        if "ignore_empty" in kwargs:
            raise InputError("LoadImage: use on_error='skip' in place of ignore_empty=True")
        super().__init__(**kwargs)
        self.on_error = on_error
        self.num_unreadable = 0

    def transform(self, results: dict) -> dict | None:
        """Add `img` `(H, W, 3)`, `img_shape` and `ori_shape` to `results`; None skips it."""
        path = results["img_path"]
        size = _recorded_size(results)
        try:
            image = read_image(
                path,
                size,
                color_type=self.color_type,
                imdecode_backend=self.imdecode_backend,
                backend_args=self.backend_args,
            )
        except InputError as error:
            if self.on_error == "stop" or (self.on_error == "blank" and size is None):
                raise
            self._report(error)
            if self.on_error == "skip":
                return None
            image = np.zeros((size[1], size[0], 3), np.uint8)
        results["img"] = image.astype(np.float32) if self.to_float32 else image
        results["img_shape"] = results["ori_shape"] = image.shape[:2]
        return results

    def _report(self, error: InputError) -> None:
        self.num_unreadable += 1
        action = "skipped" if self.on_error == "skip" else "replaced by a black image"
        print_log(
            f"{error}: {action}, number {self.num_unreadable} in this loader worker",
            logger="current",
            level=WARNING,
        )

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, on_error={self.on_error!r})"
