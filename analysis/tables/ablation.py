"""What each component adds: teacher, student without distillation, PointDistiller with LD and RL switched (Table 5).

One row per variant and task. Runs of the search are left out: they were chosen, not repeated. A gain is the mean over
seeds of (distilled student - student without distillation), both of the same seed, detector, data and training.
"""

from typing import Any

import pandas as pd

from analysis.intervals import Spread, paired_differences, spread
from analysis.published import LABEL, paper_value
from analysis.runs import SEARCH, Results, teachers
from analysis.wording import CLASSES, DASH, TASKS, flag, mark, missing_sentence, number

TITLE = "What each component adds"
EMPTY = "The study holds no fixed row of a teacher, a student or PointDistiller."

METHODS = ("teacher", "student", "pointdistiller")
COLUMNS = [
    "setting",
    "detector",
    "compression",
    "dataset",
    "row",
    "label",
    "method",
    "local",
    "reweight",
    "task",
    "n",
    "missing",
]
FACTS = ("gflops", "params_m")


def summarise(results: Results) -> pd.DataFrame:
    """One row per variant and task: means and spreads of the moderate APs (percent), the paired gain, the paper's."""
    runs = results.runs
    fixed = runs[runs["method"].isin(METHODS[1:]) & (runs["label"] != SEARCH)]
    rows = []
    for _, setting in fixed.groupby("setting", sort=False):
        above = _teachers_of(runs, setting["family"].iloc[0])
        student = setting[(setting["method"] == "student") & (setting["status"] == "finished")]
        for _, variant in pd.concat([above, setting]).groupby("variant", sort=False):
            rows += [_row(variant, student, setting, task) for task in TASKS]
    if not rows:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(rows)
    order = table.assign(
        first=table["method"].map(METHODS.index),
        lit=table["reweight"].map({True: 2}).fillna(0) + table["local"].map({True: 1}).fillna(0),
        place=table["label"].map(results.places).fillna(0),
        at=table["task"].map(list(TASKS).index),
    ).sort_values(["detector", "dataset", "setting", "at", "first", "lit", "place", "row"], kind="stable")
    return table.loc[order.index].reset_index(drop=True)


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    runs = summary.drop_duplicates(["setting", "row"])
    there, missing = int(runs["n"].sum()), int(runs["missing"].sum())
    return (
        "AP40 in percent, moderate difficulty; mean ± standard deviation over seeds (n/a with one seed). The gain is "
        "paired: the mAP difference from the student without distillation of the same seed. "
        f"The last columns are printed in the paper for another data set and full-size "
        f"detectors ({LABEL}; its gain is over its own student). " + missing_sentence(missing, there + missing)
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts, with Table 5's check marks."""
    several = summary["setting"].nunique() > 1
    rows = []
    for row in summary.to_dict("records"):
        texts = {"Task": TASKS[row["task"]]}
        if several:
            texts["Detector"] = f"{row['detector']} {row['compression']:g}x, {row['dataset']}"
        distilled = row["method"] == "pointdistiller"
        texts |= {"Row": row["row"], "LD": mark(row["local"]) if distilled else DASH}
        texts |= {"RL": mark(row["reweight"]) if distilled else DASH}
        texts |= {name: _spread(row, name).text() for name in (*CLASSES, "mAP")}
        texts["Gain (same seeds)"] = _spread(row, "gain").text(sign=True) if distilled else DASH
        texts["Runs"] = f"{row['n']} of {row['n'] + row['missing']}"
        texts |= {name: number(row[column], 2) for column, name in _costs(summary).items()}
        texts[f"mAP ({LABEL})"] = number(row["paper_mAP"])
        texts[f"Gain ({LABEL})"] = number(row["paper_gain"], sign=True)
        rows.append(texts)
    return pd.DataFrame(rows)


def _teachers_of(runs: pd.DataFrame, family: str) -> pd.DataFrame:
    own = runs[(runs["method"] == "teacher") & (runs["status"] != "finished") & (runs["family"] == family)]
    finished = teachers(runs)
    return (
        pd.concat([finished[finished["family"] == family], own]) if len(own) else finished[finished["family"] == family]
    )


def _row(variant: pd.DataFrame, student: pd.DataFrame, setting: pd.DataFrame, task: str) -> dict[str, Any]:
    first, finished = variant.iloc[0], variant[variant["status"] == "finished"]
    switches = {name: flag(first.get(f"parameters.{name}")) for name in ("local", "reweight")}
    row: dict[str, Any] = {name: setting.iloc[0][name] for name in ("setting", "detector", "compression", "dataset")}
    row |= {"row": first["row"], "label": first["label"], "method": first["method"], **switches, "task": task}
    row |= {"n": len(finished), "missing": len(variant) - len(finished)}
    if first["method"] == "teacher":
        row["compression"] = 1.0
    metrics = {name: f"metrics.{task}/{name}/moderate" for name in CLASSES} | {"mAP": f"metrics.mAP/{task}/moderate"}
    for name, column in metrics.items():
        row |= _columns(name, spread(finished.get(column, pd.Series(dtype=float))))
    treated = finished if first["method"] == "pointdistiller" else finished.iloc[:0]
    row |= _columns("gain", spread(paired_differences(treated, student, metrics["mAP"])))
    row |= _paper(row, {name: column.removeprefix("metrics.") for name, column in metrics.items()})
    for fact in FACTS:
        if f"facts.{fact}" in variant:
            row[fact] = spread(finished[f"facts.{fact}"]).mean
    return row


def _paper(row: dict[str, Any], metrics: dict[str, str]) -> dict[str, float]:
    def printed(method: str, local: bool, reweight: bool, metric: str) -> float:
        return paper_value(row["detector"], row["compression"], method, local, reweight, metric)

    own = (row["method"], bool(row["local"]), bool(row["reweight"]))
    values = {f"paper_{name}": printed(*own, metric) for name, metric in metrics.items()}
    if row["method"] == "pointdistiller":
        gain = round(values["paper_mAP"] - printed("student", False, False, metrics["mAP"]), 1)
        return values | {"paper_gain": gain}
    return values | {"paper_gain": float("nan")}


def _columns(name: str, of: Spread) -> dict[str, float]:
    columns = {f"{name}_{field}": getattr(of, field) for field in ("n", "mean", "std")}
    return columns | ({"gain_low": of.low, "gain_high": of.high} if name == "gain" else {})


def _spread(row: dict[str, Any], name: str) -> Spread:
    nan = float("nan")
    low, high = row.get(f"{name}_low", nan), row.get(f"{name}_high", nan)
    return Spread(int(row[f"{name}_n"]), row[f"{name}_mean"], row[f"{name}_std"], low, high)


def _costs(summary: pd.DataFrame) -> dict[str, str]:
    names = {"gflops": "GFLOPs", "params_m": "Params (M)"}
    return {column: name for column, name in names.items() if column in summary and summary[column].notna().any()}
