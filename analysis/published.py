"""The paper's numbers (PointDistiller, CVPR 2023, Tables 1 to 5), always shown as what they are: full KITTI.

`published.csv`: table, task, dataset, detector, compression, method, local, reweight, metric, value; metrics under the
names of our records (AP40 in percent), and `gflops`, `params_m` (millions) of the detectors. Values as printed, also
where the paper's own columns do not add up to its mAP.
"""

import math
from functools import cache
from pathlib import Path

import pandas as pd

LABEL = "paper, full KITTI"

AUTHORS = {
    "fitnet": "Romero et al.",
    "attention_transfer": "Zagoruyko et al.",
    "se_ssd": "Zheng et al.",
    "similarity_preserving": "Tung et al.",
    "crd": "Tian et al.",
    "ofd": "Heo et al.",
    "fbkd": "Zhang et al.",
    "pointdistiller": "Ours",
}
"""What Table 3 calls the methods."""


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("published.csv"))


@cache
def _values() -> dict[tuple[str, float, str, bool, bool, str], float]:
    rows = _table()[_table()["dataset"] == "KITTI"]
    keys = zip(rows.detector, rows.compression, rows.method, rows.local, rows.reweight, rows.metric, strict=True)
    return {
        (str(detector), float(compression), str(method), bool(local), bool(reweight), str(metric)): float(value)
        for (detector, compression, method, local, reweight, metric), value in zip(keys, rows.value, strict=True)
    }


def published() -> pd.DataFrame:
    """Every printed number, one row each."""
    return _table().copy()


def paper_value(detector: str, compression: float, method: str, local: bool, reweight: bool, metric: str) -> float:
    """The paper's number on full KITTI for one row and metric; NaN where it printed none."""
    return _values().get((detector, float(compression), method, local, reweight, metric), math.nan)
