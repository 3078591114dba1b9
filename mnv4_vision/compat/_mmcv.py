"""Finds a stand-in for `mmcv._ext`, the compiled operators that mmcv's plain wheel lacks."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_NAME = "mmcv._ext"
_STAND_IN = Path(__file__).with_name("_mmcv_ext.py")


def install() -> None:
    """Put the finder last on `sys.meta_path`: a compiled extension is found before it."""
    if _StandInFinder not in sys.meta_path:
        sys.meta_path.append(_StandInFinder)


def status() -> str:
    """Return `"compiled"`, `"stand-in"` or `"not installed"`, without importing mmcv."""
    if _NAME in sys.modules:
        origin = getattr(sys.modules[_NAME], "__file__", None)
        return "stand-in" if origin == str(_STAND_IN) else "compiled"
    package = importlib.util.find_spec("mmcv")
    if package is None:
        return "not installed"
    folders = package.submodule_search_locations
    compiled = importlib.machinery.PathFinder.find_spec(_NAME, folders)
    return "stand-in" if compiled is None else "compiled"


class _StandInFinder:  # not a MetaPathFinder: as a class, it lacks invalidate_caches()
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname != _NAME:
            return None
        return importlib.util.spec_from_file_location(fullname, _STAND_IN)
