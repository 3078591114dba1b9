"""Reads single settings out of the config text that mmengine keeps in a checkpoint.

The text is parsed and never run: a weights file may come from anywhere.
"""

import ast
from pathlib import PureWindowsPath

__all__ = ["model_text", "settings_in", "step_in", "value_in", "with_setting"]

# What says which network the weights are of and what it reads; the rest is the training's affair.
_MODEL_KEYS = ("image_size", "model", "task")


def settings_in(text: str, name: str) -> dict[str, object]:
    """Return the literal keyword arguments of the first `name=dict(...)` in a config's text."""
    for node in ast.walk(_parsed(text)):
        named = isinstance(node, ast.keyword) and node.arg == name
        named = named or (isinstance(node, ast.Assign) and _target(node) == name)
        if named and isinstance(node.value, ast.Call):
            return _keywords(node.value)
    return {}


def with_setting(text: str, name: str, key: str, value: object) -> str:
    """Return a config's text with one more keyword in the first `name=dict(...)`."""
    tree = _parsed(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == name and isinstance(node.value, ast.Call):
            others = [keyword for keyword in node.value.keywords if keyword.arg != key]
            node.value.keywords = [*others, ast.keyword(key, ast.Constant(value))]
            break
    return ast.unparse(tree)


def step_in(text: str, kind: str) -> dict[str, object]:
    """Return the literal keyword arguments of the first `dict(type=...)` of a class's name."""
    for node in ast.walk(_parsed(text)):
        if isinstance(node, ast.Call):
            settings = _keywords(node)
            if str(settings.get("type", "")).rpartition(".")[2] == kind:
                return settings
    return {}


def value_in(text: str, name: str) -> object:
    """Return the literal that a config's text assigns to `name` at the top, or None."""
    for node in _parsed(text).body:
        if isinstance(node, ast.Assign) and _target(node) == name:
            value = _value(node.value)
            return None if value is _UNKNOWN else value
    return None


def model_text(text: str) -> str:
    """Return what a config's text says about the network alone, without absolute paths.

    A path becomes the name of its file: nobody else has the folders of one machine.
    """
    kept = [
        node
        for node in _parsed(text).body
        if isinstance(node, ast.Assign) and _target(node) in _MODEL_KEYS
    ]
    for node in (inner for outer in kept for inner in ast.walk(outer)):
        if isinstance(node, ast.Constant) and _is_absolute(str(node.value)):
            node.value = PureWindowsPath(node.value).name  # it knows either slash
    return "\n".join(map(ast.unparse, kept))


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def _is_absolute(text: str) -> bool:
    return text.startswith(("/", "~", "file:")) or PureWindowsPath(text).is_absolute()


def _target(node: ast.Assign) -> str | None:
    return node.targets[0].id if isinstance(node.targets[0], ast.Name) else None


def _keywords(node: ast.Call) -> dict[str, object]:
    return {str(k.arg): v for k in node.keywords if (v := _value(k.value)) is not _UNKNOWN}


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _UNKNOWN


_UNKNOWN = object()  # not a literal
