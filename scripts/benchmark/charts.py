"""Charts as SVG text: bars and lines, with the least and the most of the rounds as whiskers.

They follow the reader's light or dark scheme, and say in text what the colours mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 64, 64
COLOURS = ("#2563eb", "#9ca3af", "#0d9488", "#d97706", "#a855f7")
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2937; }
.title { font-size: 15px; font-weight: 600; }
.quiet, .value { fill: #6b7280; }
.value { font-size: 10px; }
.grid { stroke: #e5e7eb; }
.whisker { stroke: #1f2937; }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e7eb; }
  .quiet, .value { fill: #9ca3af; }
  .grid { stroke: #374151; }
  .whisker { stroke: #e5e7eb; }
}"""


@dataclass(frozen=True, slots=True)
class Point:
    """One value with its whiskers."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart shows.

    Attributes:
        title: Above it.
        unit: Of the values.
        groups: Labels along the bottom.
        series: By name, one point for each group; None where there is none.
        lines: Points are joined and the scale is logarithmic, instead of bars from zero.
    """

    title: str
    unit: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[Point | None]]
    lines: bool = False

    def render(self) -> str:
        """Return the SVG document."""
        points = [point for row in self.series.values() for point in row if point is not None]
        scale = _Scale.over(points, logarithmic=self.lines)
        parts = [*self._head(), *self._grid(scale), *self._labels()]
        for index, (name, row) in enumerate(self.series.items()):
            colour = COLOURS[index % len(COLOURS)]
            parts.extend(self._legend(index, name, colour))
            draw = self._line if self.lines else self._bars
            parts.extend(draw(index, row, colour, scale))
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _head(self) -> list[str]:
        return [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            f' width="{WIDTH}" height="{HEIGHT}" role="img">',
            f"<title>{escape(self.title)}</title>",
            f"<style>{_STYLE}</style>",
            _text(LEFT, 22, f"{self.title}, {self.unit}", "title"),
        ]

    def _grid(self, scale: _Scale) -> list[str]:
        parts = []
        for tick in scale.ticks():
            y = scale.y(tick)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            parts.append(_text(LEFT - 8, y + 4, f"{tick:g}", "quiet", "end"))
        return parts

    def _labels(self) -> list[str]:
        parts = []
        for index, label in enumerate(self.groups):
            for row, line in enumerate(label.split("\n")):
                y = HEIGHT - BOTTOM + 18 + 15 * row
                parts.append(_text(self._middle(index), y, line, "", "middle"))
        return parts

    def _legend(self, index: int, name: str, colour: str) -> list[str]:
        x = LEFT + 190 * index
        return [
            f'<rect x="{x}" y="34" width="11" height="11" rx="2" fill="{colour}"/>',
            _text(x + 17, 44, name),
        ]

    def _middle(self, index: int) -> float:
        return LEFT + (index + 0.5) * (WIDTH - LEFT - RIGHT) / len(self.groups)

    def _bars(
        self, index: int, row: Sequence[Point | None], colour: str, scale: _Scale
    ) -> list[str]:
        room = (WIDTH - LEFT - RIGHT) / len(self.groups) * 0.8
        width = min(44.0, room / len(self.series))
        parts = []
        for group, point in enumerate(row):
            if point is None:
                continue
            x = self._middle(group) + (index - len(self.series) / 2) * width
            y = scale.y(point.value)
            parts.append(
                f'<rect x="{x + 1:.1f}" y="{y:.1f}" width="{width - 2:.1f}"'
                f' height="{HEIGHT - BOTTOM - y:.1f}" fill="{colour}"/>'
            )
            parts.append(_whisker(x + width / 2, point, scale))
            top = scale.y(point.high) - 5
            parts.append(_text(x + width / 2, top, _number(point.value), "value", "middle"))
        return parts

    def _line(
        self, _index: int, row: Sequence[Point | None], colour: str, scale: _Scale
    ) -> list[str]:
        places = [
            (self._middle(group), point) for group, point in enumerate(row) if point is not None
        ]
        path = " ".join(f"{x:.1f},{scale.y(point.value):.1f}" for x, point in places)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
        for x, point in places:
            parts.append(_whisker(x, point, scale))
            y = scale.y(point.value)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
        return parts


@dataclass(frozen=True, slots=True)
class _Scale:
    bottom: float
    top: float
    step: float
    logarithmic: bool

    @classmethod
    def over(cls, points: Sequence[Point], *, logarithmic: bool) -> _Scale:
        most = max((point.high for point in points), default=1.0) or 1.0
        if logarithmic:
            least = min((point.low for point in points if point.low > 0), default=most)
            bottom = 10 ** math.floor(math.log10(least))
            top = 10 ** math.ceil(math.log10(most))
            return cls(bottom, max(top, bottom * 10), 10.0, logarithmic=True)
        step = 10 ** math.floor(math.log10(most))
        for smaller in (0.5, 0.4, 0.5):  # to 5, then 2, then 1 of the next lower power of ten
            if most / step >= 4:
                break
            step *= smaller
        return cls(0.0, math.ceil(most * 1.06 / step) * step, step, logarithmic=False)

    def y(self, value: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        if self.logarithmic:
            value = max(value, self.bottom)
            share = math.log(value / self.bottom) / math.log(self.top / self.bottom)
        else:
            share = max(value, 0.0) / self.top
        return HEIGHT - BOTTOM - share * inner

    def ticks(self) -> list[float]:
        if self.logarithmic:
            count = round(math.log10(self.top / self.bottom))
            return [self.bottom * 10**power for power in range(count + 1)]
        return [self.step * number for number in range(round(self.top / self.step) + 1)]


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _whisker(x: float, point: Point, scale: _Scale) -> str:
    return (
        f'<line class="whisker" x1="{x:.1f}" x2="{x:.1f}"'
        f' y1="{scale.y(point.low):.1f}" y2="{scale.y(point.high):.1f}"/>'
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
