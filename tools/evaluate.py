"""Score saved detections: COCO's twelve numbers and those of each class, without a model.

python tools/evaluate.py ANNOTATIONS.json DETECTIONS.json --out DIR [--report] [--images DIR]

DETECTIONS.json is a COCO results list, `[{"image_id", "category_id", "bbox": [x, y, width,
height], "score"}, ...]`, as `tools/test.py --report` writes it.
"""

import argparse
import sys

from _cli import run_cli
from _options import expanded_path


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", type=expanded_path, help="COCO annotation file")
    parser.add_argument("detections", type=expanded_path, help="COCO results file")
    parser.add_argument(
        "--out",
        type=expanded_path,
        required=True,
        metavar="DIR",
        help="folder for metrics.json and the page",
    )
    parser.add_argument("--report", action="store_true", help="also write DIR/report.html")
    parser.add_argument(
        "--images",
        type=expanded_path,
        metavar="DIR",
        help="the same, with the worst pictures from DIR",
    )
    parser.add_argument(
        "--score-threshold",
        type=float,
        help="the same, counting what has this score as a detection (default: 0.3)",
    )
    return parser


def main() -> None:
    args = build_parser().parse_args()
    from mnv4_vision.det.evaluation.report import evaluate_files, write_metrics, write_report
    from mnv4_vision.det.evaluation.scores import format_table

    evaluation = evaluate_files(args.annotations, args.detections, args.images)
    if not len(evaluation.detections):
        print(f"warning: {args.detections} holds no detections: AP is 0", file=sys.stderr)
    print(format_table(evaluation.scores))
    write_metrics(args.out / "metrics.json", evaluation.scores)
    given = {} if args.score_threshold is None else {"score_threshold": args.score_threshold}
    if args.report or args.images or given:
        write_report(args.out / "report.html", evaluation, **given)
        print(f"\nreport in {args.out / 'report.html'}")


if __name__ == "__main__":
    raise SystemExit(run_cli(main))
