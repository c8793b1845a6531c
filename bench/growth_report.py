"""What `bench.growth` has found, as pictures and as tables in the documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .charts import Points, line_chart

DOCUMENT = "explanation/performance.md"
PICTURES = "images/performance"
BEGIN, END = "<!-- growth begins: written by make growth -->", "<!-- growth ends -->"


def write_report(found: dict[str, Any], docs: Path) -> None:
    """Write the pictures, and the tables between the document's two marks."""
    folder = docs / PICTURES
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(found).items():
        (folder / name).write_text(picture)
    document = docs / DOCUMENT
    text = document.read_text()
    marked = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.S)
    if not marked.search(text):
        raise ValueError(f"{document} has lost the marks between which the tables stand")
    document.write_text(marked.sub(lambda _: f"{BEGIN}\n{tables(found)}\n{END}", text))


def pictures(found: dict[str, Any]) -> dict[str, str]:
    """SVG by the files' names."""
    measured = found["tables"]
    times, database = _of_requests(measured, "ms"), _of_requests(measured, "db_ms")
    made = {"page-time.svg": line_chart("A request, by the rows in the table", "ms", times)}
    if all(point[1] is not None for points in database.values() for point in points):
        made["page-database.svg"] = line_chart("CPU of the database for a request", "ms", database)
    memory = {
        "download (worker)": [(one["rows"], one["peak_mib"]) for one in found["downloads"]],
        "export (web)": [(one["export"]["rows"], one["export"]["peak_mib"]) for one in measured],
    }
    if all(memory.values()):
        made["memory.svg"] = line_chart("Peak memory of the process", "MiB", memory)
    return made


def tables(found: dict[str, Any]) -> str:
    """Markdown: requests, exports, downloads."""
    measured = found["tables"]
    lines = [f"`make growth`, {found['date']}: {found['machine']}.", ""]
    lines += [
        "| rows in the table | request | ms | CPU of the service, ms | CPU of the database, ms |",
        "|---|---|---|---|---|",
    ]
    for one in measured:
        for name, at in one["pages"].items():
            database = "-" if at["db_ms"] is None else f"{at['db_ms']:.2f}"
            lines.append(f"| {one['rows']:,} | {name} | {at['ms']:.2f} | {at['cpu_ms']:.2f} | {database} |")
    lines += ["", *_ratios(measured), ""]
    lines += ["| rows exported as CSV | seconds | CPU, s | peak, MiB | before it began, MiB |", "|---|---|---|---|---|"]
    lines += [_process_line(one["export"]) for one in measured]
    lines += [
        "",
        "| rows of a link downloaded | seconds | CPU, s | peak, MiB | before it began, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [_process_line(one) for one in found["downloads"]]
    return "\n".join(lines)


def _ratios(measured: list[dict[str, Any]]) -> list[str]:
    first, last = measured[0], measured[-1]
    told = ", ".join(f"{name} {last['pages'][name]['ms'] / first['pages'][name]['ms']:.2f}" for name in first["pages"])
    return [f"Time at {last['rows']:,} rows, as a multiple of that at {first['rows']:,}: {told}."]


def _process_line(one: dict[str, Any]) -> str:
    return (
        f"| {one['rows']:,} | {one['seconds']:.2f} | {one['cpu_s']:.2f} | {one['peak_mib']:.0f} "
        f"| {one['before_mib']:.0f} |"
    )


def _of_requests(measured: list[dict[str, Any]], key: str) -> dict[str, Points]:
    return {name: [(one["rows"], one["pages"][name][key]) for one in measured] for name in measured[0]["pages"]}
