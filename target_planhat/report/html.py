"""The parts of the HTML report: text of people and CRM records, escaped and cut."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from target_planhat.report.advice import advice

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from target_planhat.report.changes import RecordReport

LISTED = {
    "rejected": 400,
    "updated": 400,
    "created": 300,
    "deleted": 100,
    "skipped": 100,
    "merged": 50,
    "unchanged": 50,
    "pending": 100,
}
"""Outcome -> records that are listed, at most; in the order of the page."""
LONGEST_VALUE = 300
"""Characters of a value that are shown."""
MOST_CHANGES = 40
"""Changes of one record that are shown."""
MOST_REASONS = 20
"""Reasons that are shown, and properties, the most frequent first."""
_OUTCOMES = tuple(LISTED)
_WOULD = {"created", "updated", "deleted", "rejected", "skipped"}
"""Outcomes of a dry run that a real run would have."""


@dataclass
class Reason:
    """Why records were not written, with one of them."""

    example: RecordReport
    count: int = 0
    keys: list[str] = field(default_factory=list)
    """Of the first of them."""


def head(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the page's beginning: what happened, in a sentence and a bar."""
    digest = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    totals = _totals(summary["figures"])
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="generator" content="target-planhat">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex"><title>What was written to Planhat</title>'
        f"<style>{_asset('page.css')}</style></head><body>"
    )
    yield f"<main><h1>{escape(sentence(totals, summary))}</h1>"
    yield f'<p class="soft">{escape(_when(summary))}</p>'
    yield from _bar({outcome: count for outcome, count in totals.items() if count})


def sentence(totals: Mapping[str, int], summary: Mapping[str, Any]) -> str:
    """Return what happened, in one sentence."""
    read = sum(totals.values())
    end = " The run ended early." if summary["error"] else ""
    if not read:
        return f"No records came in.{end}"
    dry_run = summary["dry_run"]
    there = [(count, outcome) for outcome, count in totals.items() if count]
    parts = [
        f"{count:,} {'would be ' if dry_run and outcome in _WOULD else ''}{outcome}"
        for count, outcome in there
    ]
    if not dry_run:
        count, outcome = there[0]
        parts[0] = f"{count:,} {'was' if count == 1 else 'were'} {outcome}"
    told = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    noun = "record" if read == 1 else "records"
    start = "Dry run, nothing was written: of" if dry_run else "Of"
    return f"{start} {read:,} {noun}, {told}.{end}"


def what_to_do(reasons: Sequence[Reason], *, dry_run: bool) -> Iterator[str]:
    """Yield the reasons, those of rejected records first, each with what to do."""
    if not reasons:
        return
    yield "<h2>What needs a look</h2>"
    found = sorted(reasons, key=lambda one: (one.example.outcome != "rejected", -one.count))
    for reason in found[:MOST_REASONS]:
        outcome, text = reason.example.outcome, reason.example.reason
        more = " …" if reason.count > len(reason.keys) else ""
        yield (
            f'<div class="card reason tone-{outcome}"><div class="count">{reason.count:,}</div>'
            f'<div><p>{_prose(text)}</p><p class="todo"><b>{escape(advice(text))}</b></p>'
            f'<p class="soft">{"would be " if dry_run else ""}{outcome}: '
            f"{escape(', '.join(reason.keys))}{more}</p></div></div>"
        )
    if len(found) > MOST_REASONS:
        yield f'<p class="soft">{len(found) - MOST_REASONS:,} rarer reasons are left out.</p>'


def what_changes(properties: Counter[str]) -> Iterator[str]:
    """Yield the properties in which records changed most often."""
    if not properties:
        return
    most = properties.most_common(MOST_REASONS)
    told = ", ".join(f"<code>{escape(_cut(name))}</code> {count:,}" for name, count in most)
    rest = len(properties) - len(most)
    yield f"<h2>What changes</h2><p>{told}{f' and {rest:,} more' if rest else ''}</p>"


def records(listed: Sequence[RecordReport], figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the records, with a search that the page's script makes work."""
    if not listed:
        return
    total = sum(_totals(figures).values())
    yield "<h2>Records</h2>"
    if len(listed) < total:
        yield (
            f'<p class="soft" id="cut">{len(listed):,} of {total:,} records are listed, the first '
            "of each outcome. A report_path that ends in .jsonl has them all.</p>"
        )
    yield (
        '<div class="find" hidden><input type="search" id="search" '
        'placeholder="Search by key, _id, property, value or reason" aria-label="Search">'
    )
    if len(figures) > 1:
        yield f'<p class="chips">{"".join(_chip("stream", name, name) for name in figures)}</p>'
    yield '<p class="soft" id="shown" role="status"></p></div>'
    yield from map(_card, listed)


def end(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures, the small print and the page's end."""
    figures: Mapping[str, Mapping[str, int]] = summary["figures"]
    told = [name for name in _OUTCOMES if any(row.get(name) for row in figures.values())]
    names = ["read", *told]
    cells = "".join(f"<th>{name}</th>" for name in ("stream", *names))
    rows = "".join(
        f'<tr><th scope="row">{escape(stream)}</th>'
        f"{''.join(f'<td>{row.get(name, 0):,}</td>' for name in names)}</tr>"
        for stream, row in figures.items()
    )
    yield (
        '<h2>Figures</h2><div class="card scroll"><table class="figures">'
        f"<tr>{cells}</tr>{rows}</table></div>"
    )
    yield f"<footer>{''.join(f'<p>{escape(line)}</p>' for line in _small_print(summary))}</footer>"
    yield f"</main><script>{_asset('page.js')}</script></body></html>"


def key(record: RecordReport) -> str:
    """Return the key of a record as the page shows it."""
    told = ", ".join(f"{name} {value}" for name, value in record.key.items())
    return _cut(told) or record.record_id or "a record without a key"


def share(count: int, total: int) -> str:
    """Return a share in percent: 0 only for none, and 100 only for all."""
    percent = 100 * count / total
    if 0 < percent < 1:
        return "< 1%"
    return "> 99%" if 99 < percent < 100 else f"{percent:.0f}%"  # noqa: PLR2004


def _totals(figures: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    streams = figures.values()
    return {name: sum(stream.get(name, 0) for stream in streams) for name in _OUTCOMES}


def _asset(name: str) -> str:
    return (files("target_planhat.report") / name).read_text("utf-8")


def _when(summary: Mapping[str, Any]) -> str:
    ended = str(summary["ended"]).replace("T", " ")[:16]
    how = ", ".join(f"{name} {value}" for name, value in summary["settings"].items())
    return f"{summary['host']}, {ended} UTC, after {summary['seconds']:,} seconds; {how}"


def _bar(totals: Mapping[str, int]) -> Iterator[str]:
    if not totals:
        return
    parts = "".join(
        f'<span class="tone-{outcome}" style="flex-grow:{count}" title="{outcome}"></span>'
        for outcome, count in totals.items()
    )
    yield f'<div class="bar" role="img" aria-label="Share of each outcome">{parts}</div>'
    whole = sum(totals.values())
    chips = (
        _chip("outcome", outcome, f"{outcome} {count:,} ({share(count, whole)})")
        for outcome, count in totals.items()
    )
    yield f'<p class="legend">{"".join(chips)}</p>'


def _chip(name: str, value: str, label: str) -> str:
    look, dot = "", ""
    if name == "outcome":
        look, dot = f' class="tone-{value}"', '<span class="dot"></span>'
    return (
        f'<button type="button"{look} data-filter="{name}" data-value="{escape(value)}" '
        f'aria-pressed="false">{dot}{escape(label)}</button>'
    )


def _card(record: RecordReport) -> str:
    record_id = f"<code>{escape(record.record_id)}</code>" if record.record_id else ""
    reason = f"<p>{_prose(record.reason)}</p>" if record.reason else ""
    return (
        f'<div class="card record tone-{record.outcome}" data-outcome="{record.outcome}" '
        f'data-stream="{escape(record.stream)}"><p class="head">'
        f'<span class="badge">{record.outcome}</span><b>{escape(key(record))}</b>'
        f'<span class="soft">{escape(record.stream)}</span>{record_id}</p>'
        f"{reason}{_table(record)}</div>"
    )


def _table(record: RecordReport) -> str:
    if not record.changes:
        return ""
    changes = list(record.changes.items())
    rows = "".join(
        f'<tr><th scope="row">{escape(_cut(name))}</th><td class="old">{_value(old)}</td>'
        f'<td class="new">{_value(new)}</td></tr>'
        for name, (old, new) in changes[:MOST_CHANGES]
    )
    more = len(changes) - MOST_CHANGES
    left = f'<p class="soft">{more:,} more properties</p>' if more > 0 else ""
    return (
        '<table class="changes"><thead><tr><th>Property</th><th>Before</th><th>After</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>{left}"
    )


def _value(value: Any) -> str:
    if value is None or value == "":
        return f'<span class="none">{"nothing" if value is None else "empty text"}</span>'
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return escape(_cut(text))


def _prose(text: str) -> str:
    """Return a reason, with the names of properties as such."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(_cut(text)))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _small_print(summary: Mapping[str, Any]) -> Iterable[str]:
    if summary["error"]:
        yield f"The run ended with: {_cut(summary['error'])}"
    calls = ", ".join(f"{count:,} {call}" for call, count in summary["calls"].items())
    yield f"Calls: {calls or 'none'}."
    waits = [f"{seconds:g} s for {what}" for what, seconds in summary["waits"].items() if seconds]
    if waits:
        yield f"Waited {', '.join(waits)}."
    yield ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
