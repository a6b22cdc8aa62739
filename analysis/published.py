"""The papers' numbers (PointDistiller, CVPR 2023, Tables 1 to 5; RDD, ICCV 2023, Table 3), and whose rows they suit.

`published.csv`: paper, table, task, dataset, detector, compression, method, local, reweight, metric, value; metrics
under the names of our records (AP40 in percent), and `gflops`, `params_m` (millions) of the detectors. Values as
printed, also where the paper's own columns do not add up to its mAP.

Of RDD those on nuScenes of CenterPoint, whose students S, XS and XXS are 2x, 3x and 8x here; its `sparsekd` is called
PP logit KD there, and it has four methods that are not here. Not kept: its GFLOPs and parameters, which are those of
another data set's head, and its numbers on KITTI, whose students are others than PointDistiller's.

The one file of this room that knows names of data sets, metrics and parameters: it holds what two papers printed of
two data sets, and those are their names.
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis.wording import flag

AUTHORS = {
    "fitnet": "Romero et al.",
    "attention_transfer": "Zagoruyko et al.",
    "se_ssd": "Zheng et al.",
    "similarity_preserving": "Tung et al.",
    "crd": "Tian et al.",
    "ofd": "Heo et al.",
    "fbkd": "Zhang et al.",
    "pointdistiller": "Ours",
    "sparsekd": "Yang et al.",
    "rdd": "Li et al.",
}
"""What PointDistiller's Table 3 calls the methods, and two later ones by their authors."""

PRINTED_ON = ("KITTI", "nuScenes")
DATASETS = {"nuscenes": "nuScenes", "simulated_nuscenes": "nuScenes"}
"""Ours -> the paper's; every other data set is compared with KITTI, as the same setting or another."""

SETTINGS: dict[str, dict[str, float]] = {
    "pointpillars": {"neighbors": 128, "samples": 6000},
    "second": {"neighbors": 128, "samples": 256},
    "pointrcnn": {"neighbors": 128, "samples": 6000},
    "pointpillars_fpn": {"neighbors": 128, "samples": 256},
}
"""K and N by detector. The paper's text names both and gives no value; these are what its released code runs (commit
a5dc465baea5, `voxelnet.py`, `point_rcnn.py` and `mvx_two_stage.py`, which take no notice of the configs beside them).
Its tau differs from detector to detector and is not in the paper, so no tau is compared."""

SYMBOLS = {"neighbors": "K", "samples": "N"}
ONLY_WITH = {"neighbors": "local"}
"""K is read by LD only."""

SIZE = "detector's size"
"""How a difference in the detector itself is called: its costs are others then, too."""

SWITCHES = ("local", "reweight")


class Printed(NamedTuple):
    """What the paper printed of a row, and in what its setting differs from ours; nothing where it is the same."""

    values: dict[str, float]
    of_student: dict[str, float]
    differs: tuple[str, ...]


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("published.csv"))


@cache
def _rows() -> dict[tuple[str, str, float, str, bool, bool], dict[str, float]]:
    by = ["dataset", "detector", "compression", "method", *SWITCHES]
    return {
        (str(data), str(detector), float(ratio), str(method), bool(local), bool(reweight)): dict(
            zip(rows["metric"], rows["value"].astype(float), strict=True)
        )
        for (data, detector, ratio, method, local, reweight), rows in _table().groupby(by)
    }


def printed_numbers() -> pd.DataFrame:
    """Every printed number, one row each."""
    return _table().copy()


def paper_value(detector: str, compression: float, method: str, local: bool, reweight: bool, metric: str) -> float:
    """The papers' number for one row and metric; they train a detector on one data set. NaN where they print none."""
    rows = (_rows().get((data, detector, float(compression), method, local, reweight), {}) for data in PRINTED_ON)
    return next((row[metric] for row in rows if metric in row), math.nan)


def printed_sizes(detector: str) -> list[float]:
    """The compressions of a detector in the papers: 1 for the teacher, then its students; none of one they lack."""
    found = _table().query("detector == @detector")["compression"].astype(float)
    return sorted({1.0, *found}) if len(found) else []


def beside(run: Mapping[str, Any]) -> Printed | None:
    """The paper's row of a run, or None where it has none.

    Args:
        run: columns of a run (`analysis/run_columns.py`).
    """
    data = DATASETS.get(str(run["dataset"]), "KITTI")
    switches = [flag(run.get(f"parameters.{name}")) or False for name in SWITCHES]
    at = (data, str(run["detector"]), float(run["compression"]))
    values = _rows().get((*at, str(run["method"]), switches[0], switches[1]))
    if values is None:
        return None
    return Printed(values, _rows().get((*at, "student", False, False), {}), tuple(_differences(run, data)))


def _differences(run: Mapping[str, Any], data: str) -> list[str]:
    found = [] if run["dataset"] == data.lower() else ["data set"]
    found += [] if flag(run.get("full_size")) is not False else [SIZE]
    stated = SETTINGS.get(str(run["detector"]), {}) if run["method"] == "pointdistiller" else {}
    for name, value in stated.items():
        read = name not in ONLY_WITH or flag(run.get(f"parameters.{ONLY_WITH[name]}"))
        ours = pd.to_numeric(run.get(f"parameters.{name}"), errors="coerce")
        found += [SYMBOLS[name]] if read and ours != value else []
    return found
