"""Ways to spoil files: by their bytes, their lines, or the values in their JSON.

Every mutator takes a `random.Random` and gives the same result for the same seed. `cases` names
them so that one can be run again: `pytest -k "bytes-flip-3"`.
"""

import copy
import json
import math
import random
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Random = random.Random


class Case(NamedTuple):
    """One mutated input: `name` is the test's id and the seed."""

    name: str
    mutate: Callable[..., Any]

    def rng(self) -> Random:
        return Random(self.name)  # seeds by the text, equal in every process


def cases(prefix: str, mutators: Mapping[str, Callable], repeats: int) -> list[Case]:
    return [
        Case(f"{prefix}-{name}-{index}", mutate)
        for name, mutate in mutators.items()
        for index in range(repeats)
    ]


def claim_png_size(data: bytes, width: int, height: int) -> bytes:
    """A healthy PNG whose header, checksum included, states another size."""
    spoiled = bytearray(data)
    spoiled[16:24] = struct.pack(">II", width, height)
    spoiled[29:33] = struct.pack(">I", zlib.crc32(spoiled[12:29]))
    return bytes(spoiled)


def truncate(rng: Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def flip_bits(rng: Random, data: bytes) -> bytes:
    spoiled = bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def swap_blocks(rng: Random, data: bytes) -> bytes:
    a, b, c = sorted(rng.randrange(len(data)) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def zero_block(rng: Random, data: bytes) -> bytes:
    start = rng.randrange(len(data))
    size = min(rng.choice((1, 16, 512)), len(data) - start)
    return data[:start] + bytes(size) + data[start + size :]


def append_junk(rng: Random, data: bytes) -> bytes:
    return data + rng.randbytes(rng.choice((1, 100)))


def replace_all(rng: Random, data: bytes) -> bytes:
    contents = (b"", b"\n", b"\0" * 64, b"<html>please log in</html>", rng.randbytes(200))
    return rng.choice(contents)


BYTES = {
    "truncate": truncate,
    "flip": flip_bits,
    "swap": swap_blocks,
    "zero": zero_block,
    "append": append_junk,
    "replace": replace_all,
}


def with_bom(rng: Random, data: bytes) -> bytes:
    return b"\xef\xbb\xbf" + data


def as_utf16(rng: Random, data: bytes) -> bytes:
    return data.decode().encode(rng.choice(("utf-16", "utf-16-le")))


def with_latin1(rng: Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + b"\xe4\xff" + data[place:]


def with_nul(rng: Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + b"\0" + data[place:]


def with_crlf(rng: Random, data: bytes) -> bytes:
    return data.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n\t ")))


ENCODINGS = {
    "bom": with_bom,
    "utf16": as_utf16,
    "latin1": with_latin1,
    "nul": with_nul,
    "crlf": with_crlf,
}

WORDS = (
    "nan", "-nan", "inf", "1e999", "-1", "-0.0", "0", "1e308", "9" * 30, "9" * 5000, "0x10", "1,5",
    "½", "", " ", "true", "null", "None", "person", "../../../etc/passwd", "/etc/passwd", "con",
    "a" * 300, "a" * 5000, "naïve 猫", "\u202e", "\x1b[31m", "%s%n", "{}", "[]", "<x>",
    "&amp;", "&boom;",
)  # fmt: skip


def replace_word(rng: Random, data: bytes) -> bytes:
    """Put an odd word in place of a number or a word."""
    return _replace_match(rng, data, r"[\w.\-/]+")


def replace_number(rng: Random, data: bytes) -> bytes:
    return _replace_match(rng, data, r"-?\d+(\.\d+)?")


def _replace_match(rng: Random, data: bytes, pattern: str) -> bytes:
    text = data.decode()
    match = rng.choice(list(re.finditer(pattern, text)))
    return (text[: match.start()] + rng.choice(WORDS) + text[match.end() :]).encode()


def drop_line(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def double_line(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    return b"".join(lines[: place + 1] + lines[place:])


def swap_lines(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def insert_line(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(WORDS).encode() + b"\n")
    return b"".join(lines)


LINES = {
    "word": replace_word,
    "number": replace_number,
    "drop": drop_line,
    "double": double_line,
    "shuffle": swap_lines,
    "insert": insert_line,
}

ODD_VALUES = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**30, -(10**30), 0.5, -0.0, 1e-320, 1e308,
    math.nan, math.inf, -math.inf, "", "1", "x", "a" * 2000, "../../etc/passwd", "/dev/zero",
    "a\0b", "\ud800", "猫", [], [[]], {}, {"id": 1}, [None], [math.nan] * 4, [1, 2, 3], [1] * 5,
    ["1", "2", "3", "4"],
)  # fmt: skip


def json_paths(node: Any, path: tuple = ()) -> list[tuple]:
    """Every place in a JSON tree, the root apart."""
    if not isinstance(node, dict | list):
        return [path]
    items = node.items() if isinstance(node, dict) else enumerate(node)
    below = [p for key, child in items for p in json_paths(child, (*path, key))]
    return [path, *below] if path else below


def _edit_json(rng: Random, tree: Any, edit: Callable[[Any, Any], None]) -> Any:
    tree = copy.deepcopy(tree)
    *parents, key = rng.choice(json_paths(tree))
    node = tree
    for parent in parents:
        node = node[parent]
    edit(node, key)
    return tree


def odd_value(rng: Random, tree: Any) -> Any:
    def edit(node: Any, key: Any) -> None:
        node[key] = rng.choice(ODD_VALUES)

    return _edit_json(rng, tree, edit)


def remove_key(rng: Random, tree: Any) -> Any:
    return _edit_json(rng, tree, lambda node, key: node.pop(key))


def double_item(rng: Random, tree: Any) -> Any:
    def edit(node: Any, key: Any) -> None:
        if isinstance(node, list):
            node.append(copy.deepcopy(node[key]))
        else:
            node[f"{key} "] = node[key]

    return _edit_json(rng, tree, edit)


def nest_deeply(rng: Random, tree: Any) -> Any:
    deep: Any = 1
    for _ in range(rng.choice((3, 50, 400))):
        deep = [deep]

    def edit(node: Any, key: Any) -> None:
        node[key] = deep

    return _edit_json(rng, tree, edit)


def swap_values(rng: Random, tree: Any) -> Any:
    """Give one place the value of another: ids that collide, boxes for names."""
    place = rng.choice(json_paths(tree))
    value = tree
    for key in place:
        value = value[key]

    def edit(node: Any, key: Any) -> None:
        node[key] = copy.deepcopy(value)

    return _edit_json(rng, tree, edit)


def several(rng: Random, tree: Any) -> Any:
    for _ in range(5):
        tree = rng.choice((odd_value, remove_key, swap_values))(rng, tree)
    return tree


def other_root(rng: Random, tree: Any) -> Any:
    return rng.choice((*ODD_VALUES, [tree], {"data": tree}))


JSON = {
    "value": odd_value,
    "remove": remove_key,
    "double": double_item,
    "nest": nest_deeply,
    "swap": swap_values,
    "several": several,
}


def dump(tree: Any) -> bytes:
    return json.dumps(tree).encode("utf-8", "surrogatepass")
