"""The flags that train and test share; standard library only, as `--help` must answer at once."""

import argparse
import ast
import os
from pathlib import Path
from typing import Any

__all__ = [
    "add_cfg_options",
    "add_run_flags",
    "expanded",
    "expanded_path",
    "positive",
    "run_options",
]


class _CfgOptions(argparse.Action):
    """Collect `a.b=value` pairs; values are Python literals where they parse as such."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        options = dict(getattr(namespace, self.dest) or {})
        for pair in values:
            key, equals, text = pair.partition("=")
            if not equals or not key:
                parser.error(f"{option_string} takes key=value pairs, not {pair!r}")
            options[key] = _literal(text)
        setattr(namespace, self.dest, options)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def expanded(text: str) -> str:
    """Expand `~`, which a shell leaves in `--out=~/data`."""
    return os.path.expanduser(text)


def expanded_path(text: str) -> Path:
    """Do so, and return a `Path`."""
    return Path(expanded(text))


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def add_run_flags(parser: argparse.ArgumentParser, default_work_dir: str) -> None:
    """Add what every run over a config understands."""
    parser.add_argument("config", help="config file, e.g. configs/det/retina_mnv4_conv_m.py")
    parser.add_argument(
        "--work-dir", type=expanded, metavar="DIR", help=f"default: {default_work_dir}"
    )
    parser.add_argument(
        "--data-root", type=expanded, metavar="DIR", help="your data instead of the config's"
    )
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="another backbone: conv_s, ..., hybrid_l, or a model of timm",
    )
    parser.add_argument("--demo", action="store_true", help="use the small generated demo set")
    parser.add_argument("--image-size", type=positive, metavar="PX", help="side of the input")
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm", "mpi"),
        default="none",
        help="distributed runs: pytorch with torchrun (default: none)",
    )
    parser.add_argument("--seed", type=int, help="seed of every random generator (default: 0)")
    add_cfg_options(parser)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add `--cfg-options`."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=_CfgOptions,
        default={},
        metavar="KEY=VALUE",
        help="config overrides, e.g. optim_wrapper.optimizer.lr=5e-4; applied last",
    )


def run_options(args: argparse.Namespace) -> Any:
    """Return the `RunOptions` of parsed arguments (imports the package)."""
    from mnv4_vision.core.engine import RunOptions

    names = RunOptions.__dataclass_fields__
    return RunOptions(**{k: v for k, v in vars(args).items() if k in names})
