"""Runs a function on a module right after its first import, so that repairs cost no import."""

import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType

_repairs: dict[str, Callable[[ModuleType], None]] = {}


def after_import(name: str, repair: Callable[[ModuleType], None]) -> None:
    """Call `repair` with the module `name` once that is imported, at once if it already is."""
    if name in sys.modules:
        repair(sys.modules[name])
        return
    _repairs[name] = repair
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


class _Finder:  # not a MetaPathFinder: as a class, it could not answer invalidate_caches()
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname not in _repairs:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def exec_module(self, module):
        super().exec_module(module)
        _repairs[module.__name__](module)
