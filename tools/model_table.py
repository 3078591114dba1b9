"""Write the tables of models into docs/models.md and README.md.

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
    import logging

    from mmengine.logging import MMLogger

    from mnv4_vision.core.files import write_atomic
    from mnv4_vision.core.model_table import TABLES, replace_block

    MMLogger.get_current_instance().setLevel(logging.WARNING)  # what follows a backbone is no news
    contents = {table: table.write(ROOT) for table in TABLES}
    stale = []
    for name in DOCUMENTS:
        old = new = (ROOT / name).read_text()
        for table, content in contents.items():
            new = replace_block(new, table, content, name)
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
