"""Line charts as SVG, by hand: readable on light and on dark, no library needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, log10

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 44, 76, 52
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333 } .title { font-size: 16px; font-weight: 600 }
.grid { stroke: #ddd } .s0 { --c: #0b63ce } .s1 { --c: #c2410c } .s2 { --c: #15803d } .s3 { --c: #7e22ce }
polyline { fill: none; stroke: var(--c); stroke-width: 2 } circle, rect.key { fill: var(--c) }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #444 }
  .s0 { --c: #6cb2ff } .s1 { --c: #fb923c } .s2 { --c: #4ade80 } .s3 { --c: #d8b4fe }
}
"""


def line_chart(title: str, unit: str, series: Mapping[str, Points]) -> str:
    """A chart whose x axis, rows, is logarithmic, and whose y axis begins at 0.

    Args:
        series: at most four, by the names that stand beside them; the x of a point is greater than 0.
    """
    xs = [x for points in series.values() for x, _ in points]
    first, last = log10(min(xs)), log10(max(xs))
    step, top = _scale(max(y for points in series.values() for _, y in points))

    def place(x: float, y: float) -> tuple[float, float]:
        share = (log10(x) - first) / ((last - first) or 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<text x="{LEFT - 8}" y="{TOP - 10}" text-anchor="end">{escape(unit)}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">rows</text>',
    ]
    for at in range(round(top / step) + 1):
        _, y = place(xs[0], at * step)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{at * step:g}</text>')
    for x in sorted(set(xs)):
        across, down = place(x, 0)
        parts.append(f'<text x="{across:.1f}" y="{down + 20:.1f}" text-anchor="middle">{x:,.0f}</text>')
    for at, (name, points) in enumerate(series.items()):
        places = [place(*point) for point in points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places)
        key = LEFT + at * 160
        parts.append(
            f'<g class="s{at}"><rect class="key" x="{key}" y="38" width="12" height="12"/>'
            f'<text x="{key + 18}" y="49">{escape(name)}</text><polyline points="{line}"/>{dots}</g>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _scale(highest: float) -> tuple[float, float]:
    """The step between two grid lines, 1, 2 or 5 times a power of ten, and where the axis ends."""
    rough = (highest or 1) / 5
    power = 10 ** ceil(log10(rough) - 1)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return step, step * ceil((highest or 1) / step)
