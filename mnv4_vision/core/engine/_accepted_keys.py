"""Which keyword arguments a class or function reads, `**kwargs` followed through the sources."""

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["AcceptedKeys", "accepted_keys"]


@dataclass(frozen=True)
class AcceptedKeys:
    """The keywords that a callable reads.

    Attributes:
        names: The known ones.
        is_open: Whether there may be others: `**kwargs` goes where the source does not say, or
            nowhere.
        types_of_rest: Names of parameters that hold the type which the other keywords are for, as
            in `EMAHook(ema_type=..., momentum=...)`, with the parameters' defaults.
    """

    names: frozenset[str]
    is_open: bool = False
    types_of_rest: dict[str, Any] = field(default_factory=dict)


@functools.cache
def accepted_keys(target: Callable) -> AcceptedKeys:
    """Return the keywords of `target`: a class (through its MRO), a function or a partial."""
    functions = _inits(target) if inspect.isclass(target) else [target]
    names: set[str] = set()
    types_of_rest: dict[str, Any] = {}
    for function in functions:
        try:
            parameters = inspect.signature(function).parameters
        except (TypeError, ValueError):  # written in C
            return AcceptedKeys(frozenset(names), is_open=True)
        names.update(n for n, p in parameters.items() if p.kind in _KEYWORD_KINDS)
        rest = [n for n, p in parameters.items() if p.kind is inspect.Parameter.VAR_KEYWORD]
        if not rest:
            break
        use = _follow(function, rest[0])
        names |= use.read
        types_of_rest |= {n: parameters[n].default for n in use.types if n in parameters}
        if use.elsewhere or not use.is_used:
            return AcceptedKeys(frozenset(names), is_open=True)
        if not use.to_super:
            break
    return AcceptedKeys(frozenset(names - {"self"}), types_of_rest=types_of_rest)


_KEYWORD_KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _inits(cls: type) -> list[Callable]:
    """The `__init__` functions along the MRO, without torch's Module, whose `**kwargs` is empty."""
    found = []
    for base in cls.__mro__:
        if base is object or (base.__module__, base.__name__) == _TORCH_MODULE:
            break
        if "__init__" in vars(base):
            found.append(vars(base)["__init__"])
    if not found and cls.__new__ is not object.__new__:
        found.append(cls.__new__)
    return found


_TORCH_MODULE = ("torch.nn.modules.module", "Module")


@dataclass
class _Use:
    """What a function does with its `**kwargs`, and the class it belongs to."""

    owner: str = ""
    read: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    to_super: bool = False
    elsewhere: bool = False

    @property
    def is_used(self) -> bool:
        """False where a class takes any keyword and drops it, as Mask2Former's head does."""
        return bool(self.read or self.types or self.to_super or self.elsewhere)


def _follow(function: Callable, rest: str) -> _Use:
    """Find the uses of the variable `rest` in the source of `function`."""
    use = _Use(owner=function.__qualname__.split(".")[-2:][0])
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        use.elsewhere = True
        return use
    understood = set()
    for node in ast.walk(tree):
        understood.update(map(id, _understand(node, rest, use)))
    use.elsewhere = any(
        isinstance(node, ast.Name) and node.id == rest and id(node) not in understood
        for node in ast.walk(tree)
    )
    return use


def _understand(node: ast.AST, rest: str, use: _Use) -> list[ast.expr]:
    """Note in `use` what `node` does with `rest`; return the names that this explains."""
    if isinstance(node, ast.Subscript) and _is_name(node.value, rest):
        key, name = node.slice, node.value
    elif isinstance(node, ast.Compare) and _is_name(node.comparators[0], rest):
        key, name = node.left, node.comparators[0]
    elif isinstance(node, ast.Call):
        return _understand_call(node, rest, use)
    else:
        return []
    return _read(key, name, use)


def _understand_call(node: ast.Call, rest: str, use: _Use) -> list[ast.expr]:
    function = node.func
    if isinstance(function, ast.Attribute) and _is_name(function.value, rest):
        readers = ("get", "pop", "setdefault")
        known = function.attr in readers and node.args
        return _read(node.args[0], function.value, use) if known else []
    passed = [k.value for k in node.keywords if k.arg is None and _is_name(k.value, rest)]
    if not passed:
        return []
    if isinstance(function, ast.Attribute) and function.attr == "__init__":
        use.to_super = True
        # super(Other, self) skips a part of the MRO: too rare to follow.
        skips = isinstance(function.value, ast.Call) and [
            a for a in function.value.args[:1] if not _is_name(a, use.owner)
        ]
        return [] if skips else passed
    types = [k.value.id for k in node.keywords if k.arg == "type" and isinstance(k.value, ast.Name)]
    if types and _is_name(function, "dict"):
        use.types.update(types)
        return passed
    return []


def _read(key: ast.expr, name: ast.expr, use: _Use) -> list[ast.expr]:
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        use.read.add(key.value)
        return [name]
    return []


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
