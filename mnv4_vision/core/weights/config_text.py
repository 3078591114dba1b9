"""Reads single settings out of the config text that mmengine keeps in a checkpoint.

The text is parsed and never run: a weights file may come from anywhere.
"""

import ast

__all__ = ["settings_in"]


def settings_in(text: str, name: str) -> dict[str, object]:
    """Return the literal keyword arguments of the first `name=dict(...)` in a config's text."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == name and isinstance(node.value, ast.Call):
            return dict(filter(None, map(_literal, node.value.keywords)))
    return {}


def _literal(keyword: ast.keyword) -> tuple[str, object] | None:
    try:
        return str(keyword.arg), ast.literal_eval(keyword.value)
    except ValueError:
        return None
