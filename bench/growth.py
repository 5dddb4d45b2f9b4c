"""The growth curves as a picture: bytes on disk against checkpoints, one line a contender."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.race import Race, Runner

__all__ = ["growth_picture"]

_WIDTH, _HEIGHT = 820, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 560, 44, 372
_LINE = 16
# Told apart without colour too: every line ends in its name.
_COLOURS = ("#7a5195", "#ef5675", "#ffa600", "#2f4b7c", "#5b8c5a", "#a05d2c", "#4d4d4d")
_OWN = "#00797a"


def growth_picture(race: Race) -> str:
    """An SVG with logarithmic bytes, of the contenders that keep something."""
    runners = [runner for runner in race.runners if max(runner.bytes.values()) > 0]
    runners = [runner for runner in runners if runner.name != "bare MCP echo"]
    sizes = [size for runner in runners for size in runner.bytes.values() if size > 0]
    low, high = math.floor(math.log10(min(sizes))), math.ceil(math.log10(max(sizes)))
    places = _Places(race.count, low, high)
    parts = [_frame(places, race)]
    ends = _spread([places.y(runner.bytes[race.count]) for runner in runners])
    for number, (runner, end) in enumerate(zip(runners, ends, strict=True)):
        own = runner.name.startswith("Safepoint")
        colour = _OWN if own else _COLOURS[number % len(_COLOURS)]
        parts.append(_curve(places, runner, colour, end, bold=own))
    told = ", ".join(f"{runner.name} {_size(runner.bytes[race.count])}" for runner in runners)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">\n'
        '<title id="title">Bytes on disk as a chat grows</title>\n'
        f'<desc id="desc">After {race.count} checkpoints: {escape(told)}.</desc>\n'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


class _Places:
    def __init__(self, count: int, low: int, high: int) -> None:
        self.count, self.low, self.high = count, low, max(high, low + 1)

    def x(self, number: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * number / self.count

    def y(self, size: float) -> float:
        share = (math.log10(max(size, 1)) - self.low) / (self.high - self.low)
        return _BOTTOM - (_BOTTOM - _TOP) * share


def _frame(places: _Places, race: Race) -> str:
    parts = [
        f'<text x="{_LEFT}" y="24" font-size="14" font-weight="600" fill="#1c1c1c">'
        f"Bytes on disk: {escape(race.kind.label)}</text>"
    ]
    for power in range(places.low, places.high + 1):
        y = places.y(10**power)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555555">'
            f"{_size(10**power)}</text>"
        )
    for number in range(0, places.count + 1, max(1, places.count // 4)):
        parts.append(
            f'<text x="{places.x(number):.1f}" y="{_BOTTOM + 18}" text-anchor="middle" '
            f'fill="#555555">{number}</text>'
        )
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        f'<text x="{middle}" y="{_BOTTOM + 38}" text-anchor="middle" fill="#555555">'
        "checkpoints</text>"
    )
    return "\n".join(parts)


def _curve(places: _Places, runner: Runner, colour: str, end: float, *, bold: bool) -> str:
    points = " ".join(
        f"{places.x(number):.1f},{places.y(size):.1f}"
        for number, size in sorted(runner.bytes.items())
        if size > 0
    )
    last = runner.bytes[places.count]
    weight = ("2.5", "600") if bold else ("1.5", "400")
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{weight[0]}"/>'
        f'<text x="{_RIGHT + 8}" y="{end + 4:.1f}" font-weight="{weight[1]}" fill="{colour}">'
        f"{escape(runner.name)} {_size(last)}</text>"
    )


def _spread(ends: Sequence[float]) -> list[float]:
    """The same heights, moved apart so far that a line of text fits between any two: upwards, and
    down again from the top of the picture."""
    placed = dict.fromkeys(range(len(ends)), 0.0)
    above, below = float(_TOP - _LINE), math.inf
    for index in sorted(range(len(ends)), key=lambda one: -ends[one]):
        placed[index] = below = min(ends[index], below - _LINE)
    for index in sorted(placed, key=lambda one: placed[one]):
        placed[index] = above = max(placed[index], above + _LINE)
    return [placed[index] for index in range(len(ends))]


def _size(size: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size:.0f} B"
