"""One self-contained HTML page: text, tables and pictures in a file that opens from disk."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from mnv4_vision.core.files import write_atomic

__all__ = ["Page"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --line: #d4d8dd; --soft: #f3f5f7;
  --quiet: #5b6570; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --paper: #15181c; --line: #3a4149;
  --soft: #1f242a; --quiet: #98a2ad; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1100px; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1, h2, h3 { line-height: 1.25; margin: 1.6em 0 .5em; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2em; }
.table { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .25em .8em; border-bottom: 1px solid var(--line); text-align: left; }
th { background: var(--soft); cursor: pointer; white-space: nowrap; }
.number { text-align: right; }
figure { display: inline-block; margin: .5rem .5rem .5rem 0; max-width: 100%; vertical-align: top; }
img { max-width: 100%; height: auto; border-radius: 3px; }
figcaption { color: var(--quiet); font-size: .87em; }
"""
# Sorts a table by the column whose head is clicked; numbers by value, gaps last.
SCRIPT = """
document.querySelectorAll("th").forEach(head => head.addEventListener("click", () => {
  const table = head.closest("table"), column = head.cellIndex, up = head.dataset.up !== "1";
  head.dataset.up = up ? "1" : "0";
  const value = row => row.cells[column].textContent.trim();
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)], [p, q] = [parseFloat(x), parseFloat(y)];
    if (head.className === "number") {
      if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q);
      return up ? p - q : q - p;
    }
    return up ? x.localeCompare(y) : y.localeCompare(x);
  });
  table.tBodies[0].append(...rows);
}));
"""
MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}


class Page:
    """A page built from top to bottom; every text that goes in is escaped.

    Args:
        title: Name of the page and its first heading.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1>"]

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading; the title has level 1."""
        self._parts.append(f"<h{level}>{escape(text)}</h{level}>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table that sorts by the column clicked.

        Args:
            header: Names of the columns.
            rows: Cells: a float is shown with three decimals, None as a gap.
        """
        rows = [list(row) for row in rows]
        numeric = [_is_numeric(column) for column in zip(*rows, strict=True)]
        kinds = [' class="number"' if one else "" for one in numeric or [False] * len(header)]
        head = _cells("th", header, kinds)
        body = "\n".join(_cells("td", map(_show, row), kinds) for row in rows)
        self._parts.append(
            f'<div class="table"><table><thead>{head}</thead>\n<tbody>{body}</tbody></table></div>'
        )

    def image(self, data: bytes, caption: str = "", width: int | None = None) -> None:
        """Add a picture, stored inside the page.

        Args:
            data: A PNG or JPEG file's content.
            caption: Line below it, also its alternative text.
            width: Shown width in pixels; by default the picture's own.

        Raises:
            ValueError: neither PNG nor JPEG.
        """
        kind = next((kind for magic, kind in MEDIA_TYPES.items() if data.startswith(magic)), None)
        if kind is None:
            raise ValueError("a page takes PNG or JPEG pictures")
        size = f' width="{int(width)}"' if width else ""
        source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self._parts.append(
            f'<figure><img{size} alt="{escape(caption)}" src="{source}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all."""
        content = (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self._title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
            + "\n".join(self._parts)
            + f"\n<script>{SCRIPT}</script>\n</body></html>\n"
        )
        # A lone surrogate, as in a file name that is not UTF-8, cannot be encoded.
        write_atomic(path, content.encode("utf-8", "replace"))


def _is_numeric(column: Sequence[object]) -> bool:
    return all(isinstance(cell, int | float | None) for cell in column)


def _show(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _cells(tag: str, cells: Iterable[object], kinds: Sequence[str]) -> str:
    inner = (
        f"<{tag}{kind}>{escape(str(cell))}</{tag}>" for cell, kind in zip(cells, kinds, strict=True)
    )
    return f"<tr>{''.join(inner)}</tr>"
