"""Draws the pictures of README.md and benchmarks/README.md as SVG, from what runs recorded.

Run by `make docs`; a test fails while a picture is behind. The demo's picture shows
demo/transcript.txt, which `make pictures` records; the chart shows the tables of
benchmarks/README.md.
"""

from __future__ import annotations

import re
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FOLDER = ROOT / "docs" / "pictures"
TRANSCRIPT = ROOT / "demo" / "transcript.txt"
FIGURES = ROOT / "benchmarks" / "README.md"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SANS = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


class Bar(NamedTuple):
    """One row of a table of the benchmarks."""

    name: str
    rows_a_second: int


def _svg(width: int, height: int, title: str, style: str, body: Sequence[str]) -> str:
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{style}</style>",
        *body,
        "</svg>",
    )
    return "\n".join(lines) + "\n"


def terminal(text: str, title: str) -> str:
    """Return a text as it looks in a terminal: headings bold, commands and outcomes in colour."""
    lines = text.strip("\n").splitlines()
    width, height = 24 + 8 * max(map(len, lines)), 28 + 18 * len(lines)
    style = (
        f"text{{font:13px {_MONO};white-space:pre;fill:#d0d7de}}.h{{font-weight:bold;fill:#fff}}"
        ".c{fill:#7ee787}.r{fill:#ffa198}"
    )
    body = [f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>']
    for number, (line, below) in enumerate(pairwise([*lines, ""])):
        if line.strip():
            y = 26 + 18 * number
            body.append(f'<text x="12" y="{y}"{_look(line, below)}>{escape(line)}</text>')
    return _svg(width, height, title, style, body)


def _look(line: str, below: str) -> str:
    if below and not below.strip("-"):
        return ' class="h"'
    if line.startswith("  $ "):
        return ' class="c"'
    return ' class="r"' if line.endswith(" rejected") and "read =" not in line else ""


def figures(page: str) -> Iterator[tuple[str, list[Bar]]]:
    """Yield title and bars of each table of rows a second on the benchmarks' page."""
    for section in page.split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        if "rows/s |" in text:
            rows = re.findall(r"^\| ([\w -]+) \|.* ([\d,]+) \|$", text, re.MULTILINE)
            yield title, [Bar(name, int(value.replace(",", ""))) for name, value in rows]


def chart(groups: Sequence[tuple[str, list[Bar]]], title: str) -> str:
    """Return groups of horizontal bars; each group has a scale of its own."""
    style = (
        f"text{{font:13px {_SANS};fill:#1f2328}}.h{{font-weight:600}}.b{{fill:#fff}}"
        ".o{fill:#0969da}.x{fill:#9aa4af}@media(prefers-color-scheme:dark){text{fill:#e6edf3}"
        ".b{fill:#0d1117}.o{fill:#4493f8}.x{fill:#656d76}}"
    )
    # A page may be light while the browser asks for dark pictures.
    body = ['<rect width="100%" height="100%" rx="8" class="b"/>']
    y = 24
    for heading, bars in groups:
        body.append(f'<text x="8" y="{y}" class="h">{escape(heading)}, rows/s</text>')
        most = max(bar.rows_a_second for bar in bars)
        for bar in bars:
            y += 24
            body += _bar(bar, 420 * bar.rows_a_second // most, y)
        y += 40
    return _svg(640, y - 24, title, style, body)


def _bar(bar: Bar, length: int, y: int) -> tuple[str, ...]:
    look = "o" if bar.name.endswith("-planhat") else "x"
    return (
        f'<text x="128" y="{y}" text-anchor="end">{escape(bar.name)}</text>',
        f'<rect x="136" y="{y - 13}" width="{length}" height="17" rx="2" class="{look}"/>',
        f'<text x="{144 + length}" y="{y}">{bar.rows_a_second:,}</text>',
    )


def updated() -> dict[Path, str]:
    """Return what the files should hold."""
    story, *_ = TRANSCRIPT.read_text().partition("\nWith your own tenant")
    measured = list(figures(FIGURES.read_text()))
    return {
        FOLDER / "demo.svg": terminal(story, "What make demo prints"),
        FOLDER / "benchmarks.svg": chart(measured, "Speed of both connectors beside others"),
    }


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in updated().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
