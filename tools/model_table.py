"""Write the table of detectors into docs/models.md and README.md.

python tools/model_table.py            # after a config was added or changed
python tools/model_table.py --check    # status 1 if the documents are stale
"""

import argparse
import sys
from pathlib import Path

from _cli import run_cli

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("docs/models.md", "README.md")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    return parser


def main() -> int:
    args = build_parser().parse_args()
    from mnv4_vision.core.files import write_atomic
    from mnv4_vision.core.model_table import format_rows, measure_config, replace_block

    table = format_rows(map(measure_config, sorted((ROOT / "configs/det").glob("*.py"))))
    stale = []
    for name in DOCUMENTS:
        old = (ROOT / name).read_text()
        new = replace_block(old, table, name)
        if new != old:
            stale.append(name)
            if not args.check:
                write_atomic(ROOT / name, new.encode())
    if args.check and stale:
        print(f"stale: {', '.join(stale)}; run python tools/model_table.py", file=sys.stderr)
        return 1
    print(f"written: {', '.join(stale)}" if stale else "up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
