"""The picture of operating characteristics: a bar of characters for a terminal, lines as SVG for a page.

Called by `gitslo simulate` and by `bench/verdict`. Pure. The SVG needs no style sheet, font or script of its own, and
is readable on a light and on a dark page, because it brings its background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gitslo.core.simulation.outcomes import Outcome

__all__ = ["FAIL", "OTHERS", "PASS", "UNDECIDED", "Curve", "Panel", "bar", "svg"]

PASS, FAIL, UNDECIDED = "#1a7f37", "#cf222e", "#6e7781"
OTHERS = ("#0969da", "#8250df", "#bc4c00", "#1b7c83")
"""They do not look alike to people who see colours differently; lines differ in their dashes, too."""

_PANEL_WIDTH, _PANEL_HEIGHT = 380.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 34.0, 44.0
_LEGEND, _ENTRY = 20.0, 195.0
_FONT = 'font-family="system-ui, sans-serif"'


def bar(outcome: Outcome, width: int = 20) -> str:
    """`#` for passes, `.` for undecided runs, `x` for fails; what occurs at all has one character at least."""
    parts = [(outcome.passed, "#"), (outcome.undecided, "."), (outcome.failed, "x")]
    sizes = [max(1, round(number / outcome.runs * width)) if number else 0 for number, _ in parts]
    while sum(sizes) != width:
        largest = max(range(len(sizes)), key=sizes.__getitem__)
        sizes[largest] += 1 if sum(sizes) < width else -1
    return "".join(sign * size for size, (_, sign) in zip(sizes, parts, strict=True))


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a panel.

    Attributes:
        name: the same name has the same colour in every panel; it is in the legend once.
        colour: `#rrggbb`.
        values: from 0 to 1, one per mark on the x-axis.
        dash: as of `stroke-dasharray`, empty: an unbroken line.
    """

    name: str
    colour: str
    values: tuple[float, ...]
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram.

    Attributes:
        title: above it.
        marks: of the x-axis, at equal distances.
        curves: drawn in this order.
        limit: the index of the mark at which a vertical line stands, None for none.
        promised: a probability at which a thin line is drawn, None for none.
    """

    title: str
    marks: tuple[str, ...]
    curves: tuple[Curve, ...]
    limit: int | None = None
    promised: float | None = None


def svg(panels: Sequence[Panel], *, title: str, x_axis: str, columns: int = 2) -> str:
    """All panels in a grid, with one legend below.

    Args:
        panels: at least one.
        title: for those who do not see it.
        x_axis: what the marks are.
        columns: panels side by side.
    """
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    legend = list({curve.name: curve for panel in panels for curve in panel.curves}.values())
    per_line = max(1, int(columns * _PANEL_WIDTH // _ENTRY))
    width, height = columns * _PANEL_WIDTH, rows * _PANEL_HEIGHT + _LEGEND * -(-len(legend) // per_line) + 12.0
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
            f' height="{height:g}" role="img" {_FONT} font-size="11">'
        ),
        f"<title>{escape(title)}</title>",
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
    ]
    for index, panel in enumerate(panels):
        left, top = index % columns * _PANEL_WIDTH, index // columns * _PANEL_HEIGHT
        lines += [f'<g transform="translate({left:g} {top:g})">', *_panel(panel, x_axis), "</g>"]
    for index, curve in enumerate(legend):
        x, y = 16.0 + index % per_line * _ENTRY, rows * _PANEL_HEIGHT + 12.0 + index // per_line * _LEGEND
        lines.append(f'<path d="M{x:g} {y:g}h26" {_stroke(curve)}/>')
        lines.append(f'<text x="{x + 32:g}" y="{y + 4:g}" fill="#1f2328">{escape(curve.name)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Panel, x_axis: str) -> list[str]:
    wide, high = _PANEL_WIDTH - _LEFT - _RIGHT, _PANEL_HEIGHT - _TOP - _BOTTOM
    step = wide / max(1, len(panel.marks) - 1)

    def x(index: float) -> float:
        return _LEFT + index * step

    def y(value: float) -> float:
        return _TOP + (1.0 - value) * high

    lines = [f'<text x="{_LEFT:g}" y="20" font-size="13" font-weight="600" fill="#1f2328">{escape(panel.title)}</text>']
    for quarter in range(5):
        value = quarter / 4
        lines.append(f'<path d="M{_LEFT:g} {y(value):g}h{wide:g}" stroke="#d0d7de" stroke-width="1"/>')
        lines.append(
            f'<text x="{_LEFT - 6:g}" y="{y(value) + 4:g}" text-anchor="end" fill="#59636e">{value:.0%}</text>'
        )
    if panel.promised is not None:
        lines.append(
            f'<path d="M{_LEFT:g} {y(panel.promised):g}h{wide:g}" stroke="#9a6700" stroke-width="1"'
            ' stroke-dasharray="2 3"/>'
        )
    if panel.limit is not None:
        lines.append(f'<path d="M{x(panel.limit):g} {_TOP:g}v{high:g}" stroke="#9a6700" stroke-width="1"/>')
    for index, mark in enumerate(panel.marks):
        lines.append(
            f'<text x="{x(index):g}" y="{_TOP + high + 15:g}" text-anchor="middle" fill="#59636e">{escape(mark)}</text>'
        )
    lines.append(
        f'<text x="{_LEFT + wide / 2:g}" y="{_PANEL_HEIGHT - 12:g}" text-anchor="middle" fill="#59636e">'
        f"{escape(x_axis)}</text>"
    )
    for curve in panel.curves:
        points = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in enumerate(curve.values))
        lines.append(f'<polyline points="{points}" fill="none" {_stroke(curve)}/>')
        if not curve.dash:
            lines += [
                f'<circle cx="{x(index):.1f}" cy="{y(value):.1f}" r="2.6" fill="{curve.colour}"/>'
                for index, value in enumerate(curve.values)
            ]
    return lines


def _stroke(curve: Curve) -> str:
    dash = f' stroke-dasharray="{curve.dash}"' if curve.dash else ""
    return f'stroke="{curve.colour}" stroke-width="{1.4 if curve.dash else 2:g}"{dash}'
