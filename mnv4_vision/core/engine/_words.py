"""Which words the sources of a class hold: a key that is none of them is read by nobody there.

A guess that may let a mistake pass; it should not refuse a key that somebody reads.
"""

import ast
import functools
import inspect
from collections.abc import Callable
from types import ModuleType

__all__ = ["words_of"]


def words_of(target: Callable) -> frozenset[str]:
    """Return all attribute, argument and literal names that the code of `target` may read.

    That are those in its module, in those of its bases, and in those whose functions these import:
    a mask head gives its settings to a function that makes the targets.
    """
    bases = target.__mro__ if inspect.isclass(target) else (target,)
    modules = {inspect.getmodule(base) for base in bases if base is not object} - {None}
    modules |= {helper for module in modules for helper in _helpers(module)}
    return frozenset().union(*map(_words_of_module, modules))


def _helpers(module: ModuleType) -> set[ModuleType]:
    """Return the modules of the same package whose functions `module` imports."""
    package = module.__name__.partition(".")[0]
    functions = [value for value in vars(module).values() if inspect.isfunction(value)]
    helpers = [inspect.getmodule(function) for function in functions]
    return {m for m in helpers if m and m.__name__.partition(".")[0] == package}


@functools.cache
def _words_of_module(module: ModuleType) -> frozenset[str]:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):  # built in
        return frozenset()
    words = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            words.add(node.attr)
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            words.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
    return frozenset(word for word in words if word.isidentifier())
