"""What each detector costs, as measured, beside the paper's numbers: rows for people and for programs."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.published import paper_value, printed_sizes
from analysis.wording import DASH

COLUMNS = {
    "detector": "detector",
    "compression": "size",
    "gflops": "GFLOPs",
    "sparse_gflops": "sparse",
    "paper_way_gflops": "paper's way",
    "paper_gflops": "paper",
    "params_m": "params M",
    "paper_way_params_m": "paper's way",
    "paper_params_m": "paper",
    "latency_ms": "latency ms",
    "peak_memory_mb": "memory MB",
}
DIGITS = {"paper_gflops": 1, "paper_params_m": 1, "latency_ms": 0, "peak_memory_mb": 0}


def compressions(detector: str, unpublished: Sequence[float]) -> list[float]:
    """1 for the teacher, then the students: those of the paper; of a detector that it says no costs of, others."""
    return printed_sizes(detector) or list(unpublished)


def beside_paper(detector: str, compression: float, measured: Mapping[str, Any]) -> dict[str, Any]:
    """One row, ready for JSON: what was measured, and the paper's `paper_gflops` and `paper_params_m` (or None)."""
    method = "teacher" if compression == 1 else "student"
    printed = {
        f"paper_{name}": paper_value(detector, compression, method, False, False, name)
        for name in ("gflops", "params_m")
    }
    known = {name: None if math.isnan(value) else value for name, value in printed.items()}
    return {"detector": detector, "compression": compression, **measured, **known}


def heading() -> str:
    """The line above the rows."""
    return _line(COLUMNS)


def line(row: Mapping[str, Any]) -> str:
    """A row as text."""
    texts = {name: _number(row[name], DIGITS.get(name, 2)) for name in COLUMNS if name != "detector"}
    texts["compression"] = "teacher" if row["compression"] == 1 else f"{row['compression']:g}x"
    return _line({"detector": row["detector"], **texts})


def notes(rows: list[dict[str, Any]], scan: str) -> str:
    """How to read the rows: on what and how was counted, and by which convention the paper's numbers arise."""
    devices = sorted({row["device"] for row in rows})
    said = [
        f"GFLOPs: billions of multiply-adds of one frame ({scan}), all of the detector, sparse convolutions included.",
        "paper's way: the same detectors counted so that the paper's numbers come out:",
        *dict.fromkeys(f"  {row['detector']}: {row['convention']}" for row in rows if row["convention"]),
        f"latency: median time from points to boxes, one frame at a time, untrained weights, on {', '.join(devices)}.",
        "memory: peak of the GPU, or of the whole process on a CPU.",
    ]
    return "\n".join(textwrap.fill(sentence, 120, subsequent_indent="    ") for sentence in said)


def _line(texts: Mapping[str, str]) -> str:
    first, *others = (texts[name] for name in COLUMNS)
    widths = [max(len(title), 7) for title in list(COLUMNS.values())[1:]]
    return "  ".join([f"{first:12}", *(f"{text:>{width}}" for text, width in zip(others, widths, strict=True))])


def _number(value: float | None, digits: int) -> str:
    return DASH if value is None else f"{value:.{digits}f}"
