"""Rows of results as CSV and as plain text, and where they come from."""

import csv
import io
import platform
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from mnv4_vision import __version__
from mnv4_vision.core.errors import InputError

__all__ = ["csv_bytes", "plain_table", "provenance"]


def csv_bytes(rows: Sequence[dict[str, Any]]) -> bytes:
    """Return rows with the same keys as a CSV file; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns, the first to the left and the numbers to the right."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = []
    for first, *others in table:
        cells = [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def provenance(device: str, **settings: Any) -> dict[str, Any]:
    """Return what a reader needs to repeat a measurement: command, versions, device, settings."""
    try:
        from timm import __version__ as timm_version
    except ImportError:
        timm_version = None
    return {
        "command": " ".join(["python", "tools/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "mnv4_vision": __version__,
        "torch": torch.__version__,
        "timm": timm_version,
        "python": platform.python_version(),
        "device": device_name(device),
        **settings,
    }


def device_name(device: str) -> str:
    """Name the hardware.

    Raises:
        InputError: torch has no such device here.
    """
    try:
        if torch.device(device).type == "cuda":
            return torch.cuda.get_device_name(device)
        torch.empty(1, device=device)
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"device {device!r} cannot be used: {reason}") from error
    return f"{_cpu_model()} ({torch.backends.cpu.get_cpu_capability()})"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return models[0] if models else f"{platform.machine()} CPU"
