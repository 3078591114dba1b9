"""What the values of your own masks mean, as far as the class file leaves it open."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mnv4_vision.core.errors import InputError
from mnv4_vision.datasets.masks.class_files import CLASS_FILES, ClassFile
from mnv4_vision.datasets.masks.encoding import IGNORED, Colour, MaskEncoding
from mnv4_vision.datasets.masks.reading import read_values

__all__ = ["Seen", "ask_for_classes", "encoding_of", "look_at", "with_zero_label"]

_NUM_SAMPLES = 40
_NUM_SHOWN = 12
_NAMES_OF_ZERO = frozenset({"background", "bg"})
_OTHER_NAMES = ", ".join(CLASS_FILES[:-1])


class Seen(NamedTuple):
    """What a sample of masks holds: indices of the grey and palette ones, colours of the others."""

    values: frozenset[int]
    colours: frozenset[Colour]
    num_masks: int
    largest: Path | None = None  # a mask with the largest value below 255


def look_at(masks: Sequence[Path], *, palette_colours: bool = False) -> Seen:
    """Read masks spread over a set; what cannot be read is left to the checks of the data.

    Args:
        masks: All masks of the set.
        palette_colours: Whether palette images count as coloured.
    """
    num_masks = min(len(masks), _NUM_SAMPLES)
    values: set[int] = set()
    colours: set[Colour] = set()
    largest = None
    for place in range(num_masks):
        path = masks[place * len(masks) // num_masks]
        try:
            mask = read_values(path, palette_colours=palette_colours)
        except InputError:
            continue
        if mask.ndim == 2:
            own = set(np.unique(mask).tolist())
            if max(own - {IGNORED}, default=0) > max(values - {IGNORED}, default=0):
                largest = path
            values |= own
        else:
            colours |= {tuple(colour) for colour in np.unique(mask.reshape(-1, 3), axis=0).tolist()}
    return Seen(frozenset(values), frozenset(colours), num_masks, largest)


def encoding_of(
    file: ClassFile, masks: Sequence[Path], reduce_zero_label: bool | None
) -> tuple[MaskEncoding, str]:
    """Return the encoding of your own masks, and for people what it is and whence.

    Args:
        file: The classes.
        masks: All masks of the set; a sample is read where the class file leaves anything open.
        reduce_zero_label: The caller's choice; None takes that of the file, or guesses.

    Raises:
        InputError: Values and classes do not fit.
    """
    if file.values is not None and reduce_zero_label is not None:
        raise InputError(file.refusal(reduce_zero_label))
    if file.in_colour:
        return _by_colour(file, masks)
    if file.values is not None:
        ignored = (IGNORED,) if file.ignored is None else file.ignored
        encoding = MaskEncoding(
            file.values, tuple(value for value in ignored if value not in file.values)
        )
        return encoding, f"values of {file.path.name}"
    choice = file.reduce_zero_label if reduce_zero_label is None else reduce_zero_label
    if choice is not None:
        return _numbered(file, choice), _say_zero(file, choice, f"reduce_zero_label={choice}")
    return _guess(file, look_at(masks))


def _by_colour(file: ClassFile, masks: Sequence[Path]) -> tuple[MaskEncoding, str]:
    seen = look_at(masks, palette_colours=True)
    grey = {(value,) * 3 for value in seen.values}
    numbered = not seen.colours and max(seen.values, default=0) < len(file.names)
    if seen.values and numbered and not grey <= {*file.values, *(file.ignored or ())}:
        # CVAT and others list colours for masks that hold indices.
        return _numbered(file, False), f"indices in the order of {file.path.name}"
    return MaskEncoding(file.values, file.ignored or ()), f"colours of {file.path.name}"


def _guess(file: ClassFile, seen: Seen) -> tuple[MaskEncoding, str]:
    count, values = len(file.names), seen.values - {IGNORED}
    why = f"guessed from {seen.num_masks} masks with {_say(seen)}"
    if seen.colours:
        raise InputError(
            f"the masks are coloured, with {_say(seen)}, but {file.path} has no colours: write "
            f"its lines as `{file.names[0]}:r,g,b::`"
        )
    if count == 2 and seen.values <= {0, IGNORED} and IGNORED in seen.values:
        words = f"0 is {file.names[0]!r} and 255 {file.names[1]!r}, {why}"
        return MaskEncoding((0, IGNORED), ()), words
    allowed = count - 1 if _names_zero(file) else count
    if max(values, default=0) > allowed:
        example = ", ".join(
            f'"{name}": {v}' for name, v in zip(file.names, sorted(values), strict=False)
        )
        raise InputError(
            f"{file.path} names {count} classes, but {seen.num_masks} masks hold {_say(seen)} "
            f"({seen.largest} has {max(values)}): correct it, name all values, or say in "
            f"classes.json which is which: {{{example}}}"
        )
    choice = max(values, default=0) == count
    return _numbered(file, choice), _say_zero(file, choice, f"{why}: reduce_zero_label={choice}")


def _names_zero(file: ClassFile) -> bool:
    """Whether the first name is one that only 0 has: a stray value must not shift the classes."""
    return file.names[0].casefold().strip("_") in _NAMES_OF_ZERO


def _numbered(file: ClassFile, reduce_zero_label: bool) -> MaskEncoding:
    """Return the encoding of classes that count from 1, or from 0."""
    first = int(reduce_zero_label)
    values = tuple(range(first, first + len(file.names)))
    ignored = {*((0,) if reduce_zero_label else ()), IGNORED, *(file.ignored or ())}
    return MaskEncoding(values, tuple(sorted(ignored - set(values))))


def _say_zero(file: ClassFile, reduced: bool, why: str) -> str:
    return f"0 in the masks is {'no class' if reduced else repr(file.names[0])} ({why})"


def with_zero_label(
    encoding: MaskEncoding, choice: bool | None, name: str
) -> tuple[MaskEncoding, str]:
    """Return a published set's encoding, changed where the caller insists, and words about it.

    Raises:
        InputError: The classes of the set are not numbered in a row.
    """
    zero_is_none = 0 in encoding.ignored
    if choice is None or choice == zero_is_none:
        return encoding, ""
    values = encoding.values
    if values != tuple(range(values[0], values[0] + len(values))):
        raise InputError(
            f"reduce_zero_label={choice} does not fit {name}: its values have gaps; leave it out"
        )
    shifted = tuple(range(int(choice), int(choice) + len(values)))
    ignored = ({*encoding.ignored, 0} if choice else {*encoding.ignored} - {0}) - set(shifted)
    return MaskEncoding(shifted, tuple(sorted(ignored))), f"reduce_zero_label={choice} as asked for"


def ask_for_classes(root: Path, masks: Sequence[Path]) -> InputError:
    """Return an error that says what the masks hold and what to write."""
    seen = look_at(masks)
    if seen.colours:
        lines = [f"name{i}:{r},{g},{b}::" for i, (r, g, b) in enumerate(sorted(seen.colours)[:3])]
        how = f"labelmap.txt with a line for each colour, like {' | '.join(lines)}"
    else:
        count = len(seen.values - {IGNORED})
        how = (
            f"classes.txt with a name a line in the order of the values, {count} for these, like "
            "background | cat | dog"
        )
    return InputError(
        f"no class names in {root}: {seen.num_masks} masks hold {_say(seen)}; write {how} "
        f"(also read: {_OTHER_NAMES})"
    )


def _say(seen: Seen) -> str:
    items = [str(v) for v in (*sorted(seen.values), *sorted(seen.colours))]
    what = "colours" if seen.colours else "values"
    if not seen.colours and len(items) > 3 and len(items) - 1 == max(seen.values):
        return f"{what} 0 to {items[-1]}"
    more = f" and {len(items) - _NUM_SHOWN} more" if len(items) > _NUM_SHOWN else ""
    return f"{what} {', '.join(items[:_NUM_SHOWN])}{more}" if items else "nothing readable"
