"""The table of measured recoveries in docs/explanation/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- drills: begin -->", "<!-- drills: end -->"


@dataclass(frozen=True, slots=True)
class Drilled:
    """What one drill showed.

    Args:
        seconds: from the end of the harm until all was well.
        lost, doubled: rows, compared with the bank's.
        stuck: links, downloads and leases that would not move on.
    """

    name: str
    broken: str
    seconds: float
    lost: int
    doubled: int
    stuck: int


def write_table(path: Path, drilled: Sequence[Drilled], day: str) -> None:
    """Put the table between its markers, in place of the old one."""
    lines = [
        f"Measured on {day}, {len(drilled)} drills.",
        "",
        "| drill | what was broken | recovered after | lost | doubled | stuck |",
        "|---|---|---:|---:|---:|---:|",
        *(
            f"| {one.name} | {one.broken} | {one.seconds:.1f} s | {one.lost} | {one.doubled} | {one.stuck} |"
            for one in drilled
        ),
    ]
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
