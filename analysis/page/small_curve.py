"""A curve as a few hundred bytes of inline SVG: one value against the epoch, and what it came to."""

import html
import math
from collections.abc import Sequence

WIDTH, HEIGHT = 300, 96
LEFT, RIGHT, TOP, BOTTOM = 6, 52, 18, 16
MOST_POINTS = 120
"""More are not told apart at this size."""


def curve(title: str, points: Sequence[tuple[int, float]]) -> str:
    """A line through (epoch, value), the last value beside its end; nothing with fewer than two finite values.

    Args:
        title: plain text above the curve.
        points: in the order of epochs.
    """
    known = [(epoch, value) for epoch, value in points if math.isfinite(value)]
    if len(known) < 2:
        return ""
    drawn = known[:: math.ceil(len(known) / MOST_POINTS)]
    drawn += [] if drawn[-1] == known[-1] else [known[-1]]
    low, high = min(value for _, value in known), max(value for _, value in known)
    first, last = known[0][0], known[-1][0]
    places = [
        (
            LEFT + (WIDTH - LEFT - RIGHT) * (epoch - first) / (last - first),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / ((high - low) or 1),
        )
        for epoch, value in drawn
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    said = f"{title}: {_short(known[0][1])} in epoch {first}, {_short(known[-1][1])} in epoch {last}"
    last_value, floor = _short(known[-1][1]), HEIGHT - BOTTOM + 3
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(said)}">'
        f'<text x="{LEFT}" y="11">{html.escape(title)}</text>'
        f'<line x1="{LEFT}" y1="{floor}" x2="{WIDTH - RIGHT}" y2="{floor}"/><polyline points="{line}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/><text x="{x + 6:.1f}" y="{y + 4:.1f}">{last_value}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 2}">epoch {first}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">{last}</text></svg>\n'
    )


def _short(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
