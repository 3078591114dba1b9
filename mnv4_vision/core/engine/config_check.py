"""A config key that nothing reads is an error, not a silent default.

Every dict with a `type` is compared with the signature of that class or function, and the parts
that mmengine's runner reads itself with what it reads.
"""

import difflib
import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import mmengine.registry
from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mnv4_vision.core.engine import _config_tables as tables
from mnv4_vision.core.engine._accepted_keys import accepted_keys
from mnv4_vision.core.engine._words import words_of
from mnv4_vision.core.errors import InputError, did_you_mean

__all__ = ["check_config", "check_overrides"]

MAX_LISTED = 40  # keys in a message


def check_config(
    cfg: Config, extra_keys: Collection[str] = (), helper_keys: Collection[str] = ()
) -> None:
    """Raise where `cfg` holds a key that nothing reads, or a type that does not exist.

    Args:
        cfg: The resolved config: classes, lazy objects or registry names as `type`.
        extra_keys: Top-level keys that the caller reads besides the runner's.
        helper_keys: Top-level variables of the config files that other parts were made of, such
            as `train_pipeline`; nothing reads them any more, and they are not looked into.

    Raises:
        InputError: With the key's path, the closest allowed key, and who would have read it.
    """
    # New-style configs carry what their files import: classes, functions, lazy ones.
    imported = (LazyObject, LazyAttr, FunctionType, type)
    top = [(k, v) for k, v in dict.items(cfg._cfg_dict) if not isinstance(v, imported)]
    allowed = tables.RUNNER_KEYS | set(extra_keys) | set(helper_keys)
    problems = [f"unknown key {key}{_hint(key, allowed)}" for key, _ in top if key not in allowed]
    checker = _Checker()
    scope = cfg.get("default_scope") or "mmengine"
    for key, value in top:
        if key in allowed and key not in helper_keys:
            problems += checker.top_level(key, value, scope)
    if problems:
        more = f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
        file = f" {cfg.filename}" if cfg.filename else ""
        raise InputError(f"config{file}: {problems[0]}{more}")


def _hint(key: str, allowed: Collection[str]) -> str:
    helper = f"; if it is a variable of the file's own, end the file with `del {key}`"
    return did_you_mean(key, allowed) or helper


class _Checker:
    """Walks a config and yields one line per problem."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Callable]] = {}

    def top_level(self, key: str, value: Any, scope: str) -> Iterator[str]:
        """Check a top-level key of the runner and what is below it."""
        if isinstance(value, dict) and "type" not in value:
            if key == "train_cfg":
                loop = EpochBasedTrainLoop if value.get("by_epoch", True) else IterBasedTrainLoop
                yield from self._compare(value, key, [loop], scope, {"by_epoch"})
            # Without an optimizer it holds several wrappers by name.
            elif key in tables.DEFAULT_TYPES and (key != "optim_wrapper" or "optimizer" in value):
                yield from self._compare(value, key, [tables.DEFAULT_TYPES[key]], scope)
        yield from self.walk(value, key, scope)

    def walk(
        self,
        node: Any,
        path: str,
        scope: str,
        library: str | None = None,
        owners: Sequence[Callable] = (),
    ) -> Iterator[str]:
        """Check `node` and what is below it.

        Args:
            node: Any value of a config.
            path: Its dotted path.
            scope: The registry scope that applies here.
            library: A package whose attributes are the types here instead of registry names.
            owners: Candidates for the class that has `node` among its arguments.
        """
        if isinstance(node, list | tuple):
            for index, value in enumerate(node):
                yield from self.walk(value, f"{path}.{index}", scope, library, owners)
        if not isinstance(node, dict):
            return
        try:
            for key in dict.keys(node):
                _built(node, key)
        except ImportError as error:
            yield f"{path}.{key}: {error}"
            return
        scope = node.get("_scope_") or scope
        if path in tables.PLAIN_KEYS:
            yield from _unknown(node, path, tables.PLAIN_KEYS[path][1], tables.PLAIN_KEYS[path][0])
        targets: list[Callable] = []
        if "type" in node:
            targets, problem = self._targets(node, path, scope, library)
            if problem:
                yield problem
            yield from self._compare(node, path, targets, scope, owners=owners)
        for base in (base for target in targets for base in getattr(target, "__mro__", ())):
            library = tables.CLASS_LIBRARIES.get(base.__name__, library)
        for key, value in dict.items(node):
            below = f"{path}.{key}"
            if targets and key in tables.READ_BY_OWNER:
                yield from self._unread(value, below, node, scope, library)
            # Another constructor may read other keys than the default one.
            if key not in tables.META_KEYS and (
                below != tables.PARAMWISE or "constructor" not in node
            ):
                names = tables.LIBRARIES.get(key, library)
                yield from self.walk(value, below, scope, names, targets or owners)

    def _unread(
        self, value: Any, path: str, owner: dict, scope: str, library: str | None
    ) -> Iterator[str]:
        """Check the keys of a dict without a type that `owner`, or a part of it, reads."""
        if not isinstance(value, dict) or "type" in value:
            return
        words = self._words_below(owner, path, scope, library) | tables.UNREAD_UPSTREAM
        yield from _unknown(
            value, path, words, _describe(self._targets(owner, path, scope, library)[0][0])
        )
        for key, child in dict.items(value):
            yield from self._unread(child, f"{path}.{key}", owner, scope, library)

    def _words_below(self, node: Any, path: str, scope: str, library: str | None) -> set[str]:
        """The words in the sources of all classes in `node`."""
        words: set[str] = set()
        if isinstance(node, dict) and "type" in node:
            for target in self._targets(node, path, scope, library)[0]:
                words |= words_of(target)
        values = dict.values(node) if isinstance(node, dict) else node
        for value in values if isinstance(values, list | tuple) or isinstance(node, dict) else ():
            words |= self._words_below(value, path, scope, library)
        return words

    def _targets(
        self, node: dict, path: str, scope: str, library: str | None
    ) -> tuple[list[Callable], str | None]:
        """Resolve `node["type"]`; return the candidates, or why there are none."""
        kind = _built(node, "type")
        if not isinstance(kind, str):
            return ([kind] if callable(kind) else []), None
        if library:
            names = vars(importlib.import_module(library))
            found = [names[kind]] if callable(names.get(kind)) else []
        else:
            found, names = self._registered(kind, scope), _registered_names(scope)
        if found or kind.rpartition(".")[2][:1].islower():
            return found, None  # "conv", "offset": modes of a module, not classes
        where = library or "any registry"
        return [], f"{path}.type: {kind!r} is not in {where}{did_you_mean(kind, names)}"

    def _compare(
        self,
        node: dict,
        path: str,
        targets: list[Callable],
        scope: str,
        taken: Collection[str] = (),
        owners: Sequence[Callable] = (),
    ) -> Iterator[str]:
        """Compare the keys of `node` with what any of `targets` reads, or takes out before it."""
        allowed = set(taken) | tables.BUILDER_KEYS_BY_NAME.get(path.rpartition(".")[2], set())
        for target in targets:
            names = self._names(target, node, scope)
            if names is None:
                return
            allowed |= names
        if not targets:
            return
        if not allowed.issuperset(node):
            # As DETR's head does with its loss; what nobody takes out fails when it is built.
            allowed |= set().union(*map(words_of, owners)).intersection(node)
        yield from _unknown(node, path, allowed, _describe(targets[0]))

    def _names(self, target: Callable, node: dict, scope: str) -> set[str] | None:
        """Return the keys of `node` that `target` or its builder reads; None: any."""
        keys = accepted_keys(target)
        names, is_open = set(keys.names), keys.is_open
        if inspect.isclass(target):
            names.update(
                *(taken for base, taken in tables.BUILDER_KEYS if issubclass(target, base))
            )
            for base, call in tables.REST_GOES_TO:
                if issubclass(target, base):
                    names |= accepted_keys(call).names
                    is_open = False
        for parameter, default in keys.types_of_rest.items():
            kind = _built(node, parameter) if parameter in node else default
            rest = self._registered(kind, scope) if isinstance(kind, str) else [kind]
            for keys_of_rest in [accepted_keys(r) for r in rest if callable(r)] or [None]:
                is_open |= keys_of_rest is None or keys_of_rest.is_open
                names |= keys_of_rest.names if keys_of_rest else set()
        return None if is_open else names

    def _registered(self, name: str, scope: str) -> list[Callable]:
        """What the registries hold under `name` (`scope.name` too); it may be in several."""
        if (name, scope) not in self._found:
            found = self._found[name, scope] = []
            for registry in _registries(scope):
                try:
                    target = registry.get(name)
                except (RuntimeError, ImportError, KeyError):  # mmengine's ways to say no
                    continue
                if callable(target) and target not in found:
                    found.append(target)
        return self._found[name, scope]


def _built(node: dict, key: str) -> Any:
    """The value of `key`; raises ImportError for a lazy import that leads nowhere."""
    value = dict.__getitem__(node, key)
    return value.build() if isinstance(value, LazyObject | LazyAttr) else value


def _unknown(node: dict, path: str, allowed: Collection[str], reader: str) -> Iterator[str]:
    for key in dict.keys(node):
        if key not in allowed and key not in tables.META_KEYS:
            hint = did_you_mean(str(key), allowed)
            short = not hint and len(allowed) <= MAX_LISTED
            takes = f", which takes {', '.join(sorted(allowed)) or 'no keys'}" if short else ""
            yield f"unknown key {path}.{key}{hint} for {reader}{takes}"


def _describe(target: Callable) -> str:
    target = getattr(target, "func", target)  # a partial
    return f"{target.__module__}.{getattr(target, '__qualname__', target)}"


def _registries(scope: str) -> list[Registry]:
    """Every registry of mmengine, or its child in `scope` where it has one."""
    try:
        importlib.import_module(f"{scope}.registry")
    except ImportError as error:
        raise InputError(f"config: default_scope or _scope_ {scope!r}: {error}") from error
    roots = [value for value in vars(mmengine.registry).values() if isinstance(value, Registry)]
    return [root.children.get(scope, root) for root in roots]


def _registered_names(scope: str) -> list[str]:
    registries = [r for leaf in _registries(scope) for r in (leaf, leaf.parent) if r is not None]
    return [name for registry in registries for name in registry.module_dict]


def check_overrides(
    cfg: Config, options: Mapping[str, Any], helper_keys: Collection[str] = ()
) -> None:
    """Raise where an override `a.b=c` goes to a place that is not there, or that nothing reads.

    Run `check_config` on the merged config too: it finds a misspelt last part.

    Args:
        cfg: The config before the overrides.
        options: Dotted paths and values, as `--cfg-options` gives them.
        helper_keys: As for `check_config`.
    """
    for option in options:
        head, *rest = option.split(".")
        if head in helper_keys:
            used = list(_places(cfg._cfg_dict, cfg._cfg_dict.get(head), helper_keys))
            instead = f"; set {' and '.join(used[:3])} instead" if used else ""
            raise InputError(f"--cfg-options {option}: nothing reads {head} any more{instead}")
        node, path = cfg._cfg_dict, ""
        for part in [head, *rest][:-1]:
            node = _child(node, part, path, option)
            path = f"{path}.{part}" if path else part
        if isinstance(node, dict):
            _check_new_key(node, option)
        else:
            _child(node, option.rpartition(".")[2], path, option)


def _check_new_key(node: dict, option: str) -> None:
    """Refuse a new key that is nearly an old one, where `check_config` knows no reader."""
    path, _, key = option.rpartition(".")
    close = difflib.get_close_matches(key, map(str, node), n=1, cutoff=0.8)
    if key not in node and "type" not in node and close:
        raise InputError(
            f"--cfg-options {option}: {path} has no key {key!r} (did you mean {close[0]!r}?)"
        )


def _child(node: Any, part: str, path: str, option: str) -> Any:
    where = f"{path} has" if path else "the config has"
    if isinstance(node, dict):
        if part not in node:
            hint = did_you_mean(part, node) or f"; it has {', '.join(map(str, node))}"
            raise InputError(f"--cfg-options {option}: {where} no key {part!r}{hint}")
        return node[part]
    if isinstance(node, list | tuple):
        if not part.isdigit() or int(part) >= len(node):
            raise InputError(
                f"--cfg-options {option}: {where} no item {part!r}; it is a list of {len(node)}"
            )
        return node[int(part)]
    raise InputError(f"--cfg-options {option}: {path} is {node!r} and has no keys")


def _places(node: Any, value: Any, skip: Collection[str], path: str = "") -> Iterator[str]:
    """Paths below `node` whose value equals `value`."""
    if not isinstance(node, dict):
        return
    for key, child in dict.items(node):
        here = f"{path}.{key}" if path else str(key)
        if path == "" and key in skip:
            continue
        if type(child) is type(value) and child == value:
            yield here
        yield from _places(child, value, skip, here)
