"""Silence for messages that mmengine 0.10.12 prints although their level is DEBUG."""

import functools
import logging
from types import ModuleType

from mnv4_vision.compat._after_import import after_import


def install() -> None:
    """Make `print_log` without a logger drop DEBUG messages, as a logger would.

    mmdet and mmseg report optional packages that are absent that way, on every import.
    """
    after_import("mmengine.logging.logger", _drop_debug)


def _drop_debug(module: ModuleType) -> None:
    print_log = module.print_log

    @functools.wraps(print_log)
    def quiet_print_log(msg, logger=None, level=logging.INFO):
        if logger is not None or level > logging.DEBUG:
            print_log(msg, logger, level)

    module.print_log = quiet_print_log
