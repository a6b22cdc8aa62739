"""One variant as a row of a table: its APs and its paired gain over the seeds, with the paper's numbers beside them.

Shared by the tables of variants. A cell without a number says why: runs failed, were not run, or hold no such metric.
"""

from typing import Any

import pandas as pd

from analysis.intervals import Spread, paired_differences, spread
from analysis.published import paper_value
from analysis.results import teachers
from analysis.wording import CLASSES, DASH, flag, number

UNDISTILLED = ("teacher", "student")
APS = (*CLASSES, "mAP")


def measured(variant: pd.DataFrame, student: pd.DataFrame, task: str) -> dict[str, Any]:
    """Numbers of runs, spreads of the moderate APs in percent, and of the mAP's gain over the student of the same seed.

    Args:
        variant: the runs of one variant, of any status.
        student: finished runs without distillation, of the same setting.
        task: `bev` or `3d`.
    """
    finished = variant[variant["status"] == "finished"]
    row: dict[str, Any] = {"n": len(finished), "missing": len(variant) - len(finished)}
    row["failed"] = int((variant["status"] == "failed").sum())
    for name in APS:
        row |= _columns(name, spread(finished.get(_metric(task, name), pd.Series(dtype=float))))
    treated = finished.iloc[:0] if variant["method"].iloc[0] in UNDISTILLED else finished
    return row | _columns("gain", spread(paired_differences(treated, student, _metric(task, "mAP"))))


def in_paper(row: dict[str, Any], task: str) -> dict[str, float]:
    """The paper's APs of a row (`detector`, `compression`, `method`, the switches where it has them), and its gain."""
    switches = (flag(row.get("local")) or False, flag(row.get("reweight")) or False)

    def printed(method: str, local: bool, reweight: bool, name: str) -> float:
        metric = _metric(task, name).removeprefix("metrics.")
        return paper_value(row["detector"], row["compression"], method, local, reweight, metric)

    values = {f"paper_{name}": printed(row["method"], *switches, name) for name in APS}
    if row["method"] in UNDISTILLED:
        return values | {"paper_gain": float("nan")}
    return values | {"paper_gain": round(values["paper_mAP"] - printed("student", False, False, "mAP"), 1)}


def facts(variant: pd.DataFrame, names: tuple[str, ...]) -> dict[str, float]:
    """Means of the facts that any record of the variant holds."""
    finished = variant[variant["status"] == "finished"]
    return {name: spread(finished[f"facts.{name}"]).mean for name in names if f"facts.{name}" in variant}


def spread_of(row: dict[str, Any], name: str) -> Spread:
    """A spread out of a table's row."""
    return Spread(int(row[f"{name}_n"]), *(row[f"{name}_{field}"] for field in ("mean", "std", "low", "high")))


def cell(row: dict[str, Any], name: str, sign: bool = False) -> str:
    """A spread as text, or what became of the runs that it should come from."""
    of = spread_of(row, name)
    if of.n or row["n"]:
        return of.text(sign=sign)
    return "failed" if row["failed"] else "not run" if row["missing"] else DASH


def interval(row: dict[str, Any], name: str, sign: bool = False) -> str:
    """The 95 % interval of a mean as text; n/a with one seed."""
    of = spread_of(row, name)
    if of.n < 2:
        return "n/a" if of.n else DASH
    return f"{number(of.low, sign=sign)} to {number(of.high, sign=sign)}"


def runs_text(row: dict[str, Any]) -> str:
    """`3 of 3`; `1 of 3, 2 failed`."""
    lost = [f"{row['failed']} failed"] if row["failed"] else []
    return ", ".join([f"{row['n']} of {row['n'] + row['missing']}", *lost])


def teachers_of(runs: pd.DataFrame, family: str) -> pd.DataFrame:
    """The teachers above a family of students: finished ones, given checkpoints, and those that failed."""
    failed = runs[(runs["method"] == "teacher") & (runs["status"] != "finished") & (runs["family"] == family)]
    finished = teachers(runs)
    finished = finished[finished["family"] == family]
    return pd.concat([finished, failed]) if len(failed) else finished


def _metric(task: str, name: str) -> str:
    return f"metrics.mAP/{task}/moderate" if name == "mAP" else f"metrics.{task}/{name}/moderate"


def _columns(name: str, of: Spread) -> dict[str, float]:
    return {f"{name}_{field}": value for field, value in of._asdict().items()}
