"""PointDistiller's hyper-parameters in full, as the paper has them and as its released code has them.

Paper: Zhang et al., "PointDistiller" (2022), equations 1 and 2. Code: github.com/RunpeiDong/PointDistiller at
a5dc465baea5: mmdet3d/models/detectors/voxelnet.py (pillars, cells) and point_rcnn.py (points). It has values of its own
for each detector, and some of its configs' are read and never used.

N counts rows of a batch for pillars, as released (6,000 of about 33,000 in a batch of six frames), and of a frame
for cells and points. `student` is a graph as wide as the student's rows: 32 of PointPillars at 4x and 16 at 16x, 45
and 32 of PointRCNN at 8x and 16x, which is what the released code has; SECOND's graphs have 32 at either. tau is ours
in the paper's columns, as the paper names none. Where the code has other values for a detector than for the others with
its kind of rows, the detector says so (`DetectorSpec.released`).
"""

from typing import Any, Literal

Form = Literal["paper", "released"]

_COLUMNS = [(form, kind) for form in ("paper", "released") for kind in ("pillars", "cells", "points")]
_VALUES: dict[str, tuple[Any, ...]] = {
    #                       paper:                               released:
    #                       pillars     cells       points       pillars       cells       points
    "weight":               (1.0,       1.0,        1.0,         2.0,          2.0,        2.0),
    "neighbors":            (128,       128,        128,         128,          128,        128),
    "samples":              (6000,      256,        6000,        6000,         256,        6000),
    "temperature":          (10.0,      1.0,        1.0,         1e-2,         1e-4,       1e-3),
    "scope":                ("batch",   "scan",     "scan",      "batch",      "scan",     "scan"),
    "neighbor_scope":       ("scan",    "scan",     "scan",      "batch",      "scan",     "scan"),
    "neighbor_space":       ("feature", "feature",  "feature",   "feature",    "feature",  "feature"),
    "shortfall":            ("clamp",   "clamp",    "clamp",     "raise",      "raise",    "raise"),
    "selection":            ("top",     "top",      "top",       "top",        "top",      "top"),
    "importance":           ("points",  "feature",  "feature",   "points",     "feature",  "feature"),
    "reweight_by":          ("importance", "importance", "graph", "importance", "importance", "importance"),
    "reweight_over":        ("graphs",  "graphs",   "graphs",    "graphs",     "one",      "none"),
    "edge":                 ("concat",  "concat",   "concat",    "concat",     "concat",   "concat"),
    "aggregate":            ("max",     "max",      "max",       "none",       "none",     "max"),
    "graph_channels":       ("student", "student",  "student",   "student",    32,         "student"),
    "freeze_teacher_graph": (False,     False,      False,       False,        False,      False),
    "distance":             ("norm",    "norm",     "norm",      "mse",        "mse",      "mse"),
    "teacher_mode":         ("eval",    "eval",     "eval",      "train",      "train",    "train"),
}  # fmt: skip
PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    column: {name: values[index] for name, values in _VALUES.items()} for index, column in enumerate(_COLUMNS)
}
"""By form and kind of rows: every hyper-parameter with its value."""

RELEASED_WITHOUT_RL: dict[str, Any] = {"distance": "frobenius", "weight": 5e-4}
"""What the released code does instead where it does not weigh rows, whatever they are."""

OF_GRAPHS = ("neighbors", "neighbor_scope", "neighbor_space", "edge", "aggregate", "graph_channels",
             "freeze_teacher_graph")  # fmt: skip
"""Hyper-parameters that only LD reads."""
OF_WEIGHTS = ("temperature", "reweight_by", "reweight_over")
"""Hyper-parameters that only RL reads."""


def completed(given: dict[str, Any], kind: str) -> dict[str, Any]:
    """All hyper-parameters that a run reads, with their values: what is not read is left out, so that keys are equal.

    Args:
        given: what was set, with `form`, `local` and `reweight`.
        kind: of the rows.
    """
    released = {} if given["form"] == "paper" or given["reweight"] else RELEASED_WITHOUT_RL
    whole = {**PRESETS[given["form"], kind], **released, **given}
    if not whole["local"]:
        whole = {name: value for name, value in whole.items() if name not in OF_GRAPHS}
        if whole["reweight_by"] == "graph":
            whole["reweight_by"] = "importance"
    if not whole["reweight"]:
        return {name: value for name, value in whole.items() if name not in OF_WEIGHTS}
    if whole["reweight_over"] != "graphs":  # the weights are constant
        del whole["temperature"], whole["reweight_by"]
    return whole
