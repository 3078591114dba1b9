"""A resolved config as text, and what a leaf and the flags change in it."""

import ast
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mnv4_vision.core.engine.prepare import HELPER_KEYS, RunOptions, load_config, prepare_config
from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["config_of_bases", "flat_difference", "show_config"]

_ABSENT = object()


def show_config(
    options: RunOptions, key: str | None = None, diff: bool = False, as_json: bool = False
) -> str:
    """Return the config that a training with `options` would run.

    Args:
        options: The command line.
        key: Dotted path of the part to show; None for all.
        diff: Show only what the config file changes in its bases, and what flags and resolution
            change in the config file.
        as_json: JSON instead of Python.

    Raises:
        InputError: For a config or flag that a training would refuse, and for a key that is not
            there.
    """
    key = key or None
    # What resolving has to say goes to stderr: stdout is the config's.
    with contextlib.redirect_stdout(sys.stderr):
        resolved = _plain(prepare_config(options, splits=())[0])
        if diff:
            leaf, bases = (
                _plain(cfg)
                for cfg in (load_config(options.config), config_of_bases(options.config))
            )
    if not diff:
        part = _part(resolved, key)
        return json.dumps(part, indent=2) if as_json else _python(part, key)
    if not any(_holds(cfg, key) for cfg in (bases, leaf)):
        _part(resolved, key)  # says what it has instead
    steps = {"config file": flat_difference(bases, leaf, key)}
    steps["flags and resolution"] = flat_difference(leaf, resolved, key)
    if as_json:
        return json.dumps({name: _as_json(changes) for name, changes in steps.items()}, indent=2)
    titles = {
        "config file": f"# {options.config} against its bases",
        "flags and resolution": "# flags and resolution against the config file",
    }
    return "\n".join(line for n, changes in steps.items() for line in _lines(titles[n], changes))


def config_of_bases(path: str) -> Config:
    """Return the config that the `read_base()` imports of a config file make by themselves.

    Raises:
        InputError: The file reads no base.
    """
    bases = list(_bases(Path(path)))
    if not bases:
        raise InputError(f"config {path} has no base to compare with: it uses no read_base()")
    together: dict[str, Any] = {}
    for file, names in bases:
        cfg = load_config(str(file))._cfg_dict
        together.update({k: v for k, v in dict.items(cfg) if "*" in names or k in names})
    return Config(together)


def _bases(path: Path) -> Iterator[tuple[Path, set[str]]]:
    """Yield each relative import below `with read_base()`: its file and the names it takes."""
    for node in ast.parse(path.read_text()).body:
        if not (isinstance(node, ast.With) and "read_base" in ast.unparse(node.items[0])):
            continue
        for line in node.body:
            if isinstance(line, ast.ImportFrom) and line.level:
                folder = path.parent
                for _ in range(line.level - 1):
                    folder = folder / ".."
                file = folder / f"{line.module.replace('.', '/')}.py"
                yield file, {alias.name for alias in line.names}


def flat_difference(old: dict, new: dict, key: str | None = None) -> dict[str, tuple[Any, Any]]:
    """Return `{dotted path: (old value, new value)}` of the leaves that differ below `key`."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    changes = {}
    for path in [*before, *(path for path in after if path not in before)]:
        pair = before.get(path, _ABSENT), after.get(path, _ABSENT)
        if not _equal(*pair) and (key is None or f"{path}.".startswith(f"{key}.")):
            changes[path] = pair
    return changes


def _equal(old: Any, new: Any) -> bool:
    """Whether two values are the same to a reader: a class, too, by its name or its whole path."""
    if isinstance(old, str) and isinstance(new, str):
        return old == new or f".{old}".endswith(f".{new}") or f".{new}".endswith(f".{old}")
    return old == new


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted paths of what is no dict, and no list that holds dicts."""
    items: Any = None
    if isinstance(node, dict) and node:
        items = node.items()
    elif isinstance(node, list) and any(isinstance(value, dict) for value in node):
        items = enumerate(node)
    if items is None:
        yield path, node
        return
    for name, value in items:
        yield from _leaves(value, f"{path}.{name}" if path else str(name))


def _plain(cfg: Config) -> dict[str, Any]:
    """Return `cfg` as dicts, lists and values, classes by dotted path, without helper variables."""
    return {k: _value(v) for k, v in cfg.to_dict().items() if k not in HELPER_KEYS}


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_value(v) for v in value)
    if isinstance(value, str | int | float | bool | None):
        return value
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}.{name}" if name else str(value)


def _part(node: Any, key: str | None) -> Any:
    path = ""
    for name in key.split(".") if key else []:
        inside = {str(i): v for i, v in enumerate(node)} if isinstance(node, list) else node
        if not isinstance(inside, dict) or name not in inside:
            where = path or "the config"
            allowed = list(inside) if isinstance(inside, dict) else []
            hint = did_you_mean(name, allowed) or f"; it has {', '.join(allowed) or 'no keys'}"
            raise InputError(f"--key {key}: {where} has no {name!r}{hint}")
        node, path = inside[name], f"{path}.{name}" if path else name
    return node


def _holds(node: Any, key: str | None) -> bool:
    try:
        _part(node, key)
    except InputError:
        return False
    return True


def _python(part: Any, key: str | None) -> str:
    if key is None:
        return Config(part).pretty_text.rstrip()
    name = key.replace(".", "_")
    text = Config({name: part}).pretty_text.rstrip()
    return text.replace(f"{name} =", f"# {key}\n{name} =", 1) if name != key else text


def _as_json(changes: dict[str, tuple[Any, Any]]) -> dict[str, dict[str, Any]]:
    return {
        path: {k: v for k, v in (("old", old), ("new", new)) if v is not _ABSENT}
        for path, (old, new) in changes.items()
    }


def _lines(title: str, changes: dict[str, tuple[Any, Any]]) -> Iterator[str]:
    yield title
    for path, (old, new) in changes.items():
        if old is _ABSENT:
            yield f"+ {path} = {new!r}"
        elif new is _ABSENT:
            yield f"- {path} = {old!r}"
        else:
            yield f"  {path} = {new!r}  # was {old!r}"
    if not changes:
        yield "  nothing"
