"""Silence for what mmengine 0.10.12 and mmdet 3.5.1 print at import about optional packages."""

import functools
import logging
import warnings
from types import ModuleType

from mnv4_vision.compat._after_import import after_import


def install() -> None:
    """Make `print_log` without a logger drop DEBUG messages, as a logger would.

    mmdet and mmseg report optional packages that are absent that way, on every import. mmdet
    warns about one more, an evaluator that this project does not use.
    """
    warnings.filterwarnings("ignore", "faster_coco_eval is not installed", UserWarning)
    after_import("mmengine.logging.logger", _drop_debug)


def _drop_debug(module: ModuleType) -> None:
    print_log = module.print_log

    @functools.wraps(print_log)
    def quiet_print_log(msg, logger=None, level=logging.INFO):
        if logger is not None or level > logging.DEBUG:
            print_log(msg, logger, level)

    module.print_log = quiet_print_log
