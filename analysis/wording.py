"""How numbers, switches and missing runs are written wherever people read them."""

import math
from typing import Any

import pandas as pd

DASH = "–"


class Best(str):
    """A text whose first word is set in bold: the best of its column."""


def with_unit(title: str, unit: str) -> str:
    """A quantity with its unit, for an axis or a heading: `distance (m)`; the title alone without a unit."""
    return f"{title} ({unit})" if unit else title


def capital(text: str) -> str:
    """The text as a heading: its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


def listed(names: list[str]) -> str:
    """`a`; `a and b`; `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def count(number: int, thing: str) -> str:
    """`1 run`; `2 runs`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def flag(value: Any) -> bool | None:
    """A switch out of a table column: true, false, or None where it was not recorded."""
    return None if pd.isna(value) else bool(value)


def mark(value: Any) -> str:
    """A switch as papers print it."""
    known = flag(value)
    return DASH if known is None else "✓" if known else "×"


def number(value: Any, digits: int = 1, sign: bool = False) -> str:
    """A number with a true minus sign, or a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


def short(value: Any) -> str:
    """A value in as few digits as tell it apart: 16, 0.53, true; a dash where there is none."""
    if pd.isna(value):
        return DASH
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.3g}"
    return str(value)


def missing_sentence(missing: int, of: int) -> str:
    """What a caption says of runs that should be there and are not."""
    if missing == 0:
        return f"All {of} runs are in." if of != 1 else "The one run is in."
    return f"{missing} of {of} runs {'is' if missing == 1 else 'are'} missing (failed, stopped early or not run)."
