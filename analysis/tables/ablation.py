"""What each component adds: teacher, student without distillation, PointDistiller with LD and RL switched (Table 5).

One row per variant and task. Runs of the search are left out: they were chosen, not repeated. A gain is the mean over
seeds of (distilled student - student without distillation), both of the same seed, detector, data and training.
"""

from typing import Any

import pandas as pd

from analysis.published import LABEL
from analysis.results import Results
from analysis.variants import APS, cell, facts, in_paper, measured, runs_text, teachers_of
from analysis.wording import DASH, TASKS, flag, mark, missing_sentence, number

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
    fixed = results.rows[results.rows["method"].isin(METHODS[1:])]
    rows = []
    for _, setting in fixed.groupby("setting", sort=False):
        above = teachers_of(results.runs, setting["family"].iloc[0])
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
        texts |= {name: cell(row, name) for name in APS}
        texts["Gain (same seeds)"] = cell(row, "gain", sign=True) if distilled else DASH
        texts["Runs"] = runs_text(row)
        texts |= {name: number(row[column], 2) for column, name in _costs(summary).items()}
        texts[f"mAP ({LABEL})"] = number(row["paper_mAP"])
        texts[f"Gain ({LABEL})"] = number(row["paper_gain"], sign=True)
        rows.append(texts)
    return pd.DataFrame(rows)


def _row(variant: pd.DataFrame, student: pd.DataFrame, setting: pd.DataFrame, task: str) -> dict[str, Any]:
    first = variant.iloc[0]
    row: dict[str, Any] = {name: setting.iloc[0][name] for name in ("setting", "detector", "compression", "dataset")}
    row |= {"row": first["row"], "label": first["label"], "method": first["method"], "task": task}
    row |= {name: flag(first.get(f"parameters.{name}")) for name in ("local", "reweight")}
    if first["method"] == "teacher":
        row["compression"] = 1.0
    return row | measured(variant, student, task) | in_paper(row, task) | facts(variant, FACTS)


def _costs(summary: pd.DataFrame) -> dict[str, str]:
    names = {"gflops": "GFLOPs", "params_m": "Params (M)"}
    return {column: name for column, name in names.items() if column in summary and summary[column].notna().any()}
