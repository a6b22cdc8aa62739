"""How colors and marks look to others: on a gray printer, and to eyes without the pigment for green.

Lightness and distances are those of CIELAB (D65). Deuteranopia: Machado, Oliveira and Fernandes, "A
Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), severity 1.
"""

from typing import Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from numpy.typing import NDArray

Color = tuple[float, float, float]

DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def without_green(color: Color) -> Color:
    """A color as eyes with deuteranopia see it."""
    seen = np.clip(DEUTERANOPIA @ _linear(color), 0, 1)
    red, green, blue = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return float(red), float(green), float(blue)


def lightness(color: Color) -> float:
    """From 0, black, to 100, white: what is left in gray."""
    return float(_lab(color)[0])


def distance(one: Color, other: Color) -> float:
    """How far apart two colors look; 2.3 is just noticeable."""
    return float(np.linalg.norm(_lab(one) - _lab(other)))


def seen(handle: Any) -> Color:
    """The color of a legend's handle on white paper."""
    if isinstance(handle, Line2D):
        red, green, blue, alpha = to_rgba(handle.get_color(), handle.get_alpha())
    else:
        faces, edges = np.atleast_2d(handle.get_facecolor()), np.atleast_2d(handle.get_edgecolor())
        plain = len(faces) and faces[0][3] > 0 and not (faces[0][:3] == 1).all()
        red, green, blue, alpha = faces[0] if plain else edges[0]
    return tuple(1 - alpha * (1 - part) for part in (red, green, blue))  # type: ignore[return-value]


def shape(handle: Any) -> tuple[Any, ...]:
    """All of a legend's handle but its color: kind, marker, filling, dashes, width, hatch."""
    if isinstance(handle, Line2D):
        return (
            "line",
            str(handle.get_marker()),
            str(handle.get_linestyle()),
            handle._dash_pattern,
            handle.get_linewidth(),
        )
    if isinstance(handle, PathCollection):
        faces = handle.get_facecolor()
        filled = len(faces) > 0 and faces[0][3] > 0 and not (faces[0][:3] == 1).all()
        return ("marks", handle.get_paths()[0].vertices.round(3).tobytes(), filled)
    return (type(handle).__name__, getattr(handle, "get_hatch", lambda: None)())


def _linear(color: Color) -> NDArray[np.float64]:
    values = np.asarray(color, dtype=float)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(color: Color) -> NDArray[np.float64]:
    x, y, z = (TO_XYZ @ _linear(color)) / WHITE
    fx, fy, fz = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])
