"""How claims look in pictures: each verdict a shape, a filling and a color, told apart in gray and by any eyes."""

import math
import textwrap
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from analysis import style
from analysis.claim_frame import GIVEN_UP

BANDS = {False: ("value − tolerance to value", "#E6E6E6"), True: ("counts as the same", "#AECCE3")}
"""By whether a claim is of kind same: what lies between its thresholds, and the color of it."""


class Mark(NamedTuple):
    """A verdict's marker, its color, whether it is filled, and what a legend calls it."""

    marker: str
    color: str
    filled: bool
    label: str

    def draw(self, axes: Axes, x: float, y: float, size: float) -> None:
        """Put the mark at a place, with its name for the legend."""
        face = self.color if self.filled else "white"
        look: dict[str, Any] = {"facecolors": face, "edgecolors": self.color, "linewidths": 1.1, "zorder": 5}
        axes.scatter([x], [y], s=size, marker=self.marker, label=self.label, **look)


MARKS = {
    "supported": Mark("o", style.BLUE, True, "supported"),
    "less": Mark("v", style.VERMILION, True, "less than claimed"),
    "between": Mark("D", style.GREEN, True, "between the thresholds"),
    "undecided": Mark("o", style.GRAY, False, "undecided"),
    GIVEN_UP: Mark("X", style.GRAY, False, GIVEN_UP),
}
"""By verdict, in the order of a legend."""

LEGEND = [mark.label for mark in MARKS.values()]


def wrapped(text: str, letters: int) -> str:
    """A text in lines of about the same length, none longer than so many letters if its words allow it."""
    lines = math.ceil(len(text) / letters)
    widths = range(math.ceil(len(text) / lines), letters + 1)
    return next((found for width in widths if (found := textwrap.fill(text, width)).count("\n") < lines), "") or (
        textwrap.fill(text, letters)
    )
