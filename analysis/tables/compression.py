"""How small detectors can get: every detector and compression, with and without PointDistiller (Tables 1, 2, Figure 1).

One row per variant, where fixed rows of two or more compressions or detectors are there: teachers, students without
distillation and under PointDistiller with both of its parts. The distance from the teacher is the difference of means.
"""

from typing import Any

import pandas as pd

from analysis.published import LABEL, paper_value
from analysis.results import Results
from analysis.variants import cell, facts, in_paper, measured, runs_text, teachers_of
from analysis.wording import DASH, TASKS, flag, missing_sentence, number

TITLE = "How small the detectors get"
EMPTY = "All fixed rows are of one detector at one compression."

METHODS = ("teacher", "student", "pointdistiller")
COSTS = {"gflops": "GFLOPs", "params_m": "Params (M)"}
COLUMNS = ["setting", "detector", "compression", "dataset", "row", "method", "n", "missing"]


def summarise(results: Results) -> pd.DataFrame:
    """Costs, spreads of the moderate mAPs (percent), paired gains, distances from the teacher, the paper's values."""
    rows = results.rows
    students = rows[(rows["method"] == "student") | _whole_method(rows)]
    if students[["detector", "compression"]].drop_duplicates().shape[0] < 2:
        return pd.DataFrame(columns=COLUMNS)
    found: list[dict[str, Any]] = []
    for family, of_family in students.groupby("family", sort=False):
        above = teachers_of(results.runs, str(family))
        teachers = [_row(variant, above.iloc[:0], of_family.iloc[0]) for _, variant in above.groupby("variant")]
        found += teachers
        for _, setting in of_family.groupby("setting", sort=False):
            student = setting[(setting["method"] == "student") & (setting["status"] == "finished")]
            for _, variant in setting.groupby("variant", sort=False):
                row = _row(variant, student, setting.iloc[0])
                for task in TASKS:
                    known = [teacher[f"{task}_mAP_mean"] for teacher in teachers if teacher["n"]]
                    row[f"{task}_from_teacher"] = row[f"{task}_mAP_mean"] - (max(known) if known else float("nan"))
                found.append(row)
    table = pd.DataFrame(found)
    table = table.assign(at=table["method"].map(METHODS.index))
    by = ["detector", "dataset", "compression", "setting", "at", "row"]
    return table.sort_values(by, kind="stable").drop(columns="at").reset_index(drop=True)


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, and how many runs are missing."""
    there, missing = int(summary["n"].sum()), int(summary["missing"].sum())
    return (
        "Moderate mAP (AP40 in percent), mean ± standard deviation over seeds (n/a with one seed). The gain is paired: "
        "the difference from the student without distillation of the same seed. GFLOPs and parameters are those of "
        f"the exported detector, without adapters. The last columns are the paper's ({LABEL}). "
        + missing_sentence(missing, there + missing)
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts."""
    rows = []
    for row in summary.to_dict("records"):
        distilled = row["method"] == "pointdistiller"
        texts = {"Detector": f"{row['detector']}, {row['dataset']}"}
        texts["Size"] = "teacher" if row["method"] == "teacher" else f"{row['compression']:g}x"
        texts["Row"] = row["row"]
        texts |= {title: number(row.get(name), 2) for name, title in COSTS.items()}
        for task, title in TASKS.items():
            of_task = {name.removeprefix(f"{task}_"): value for name, value in row.items()}
            texts[f"{title} mAP"] = cell(of_task, "mAP")
            texts[f"{title} gain"] = cell(of_task, "gain", sign=True) if distilled else DASH
            texts[f"{title} from teacher"] = number(of_task.get("from_teacher"), sign=True)
        texts["Runs"] = runs_text(row)
        texts |= {f"{title} (paper)": number(row[f"paper_{name}"]) for name, title in COSTS.items()}
        for task, title in TASKS.items():
            texts[f"{title} mAP (paper)"] = number(row[f"{task}_paper_mAP"])
            texts[f"{title} gain (paper)"] = number(row[f"{task}_paper_gain"], sign=True)
        rows.append(texts)
    return pd.DataFrame(rows)


def _whole_method(runs: pd.DataFrame) -> pd.Series:
    switches = runs.reindex(columns=["parameters.local", "parameters.reweight"])
    return (runs["method"] == "pointdistiller") & switches.eq(True).all(axis=1)


def _row(variant: pd.DataFrame, student: pd.DataFrame, first: pd.Series) -> dict[str, Any]:
    own = variant.iloc[0]
    row: dict[str, Any] = {name: first[name] for name in ("setting", "detector", "compression", "dataset")}
    row |= {"row": own["row"], "method": own["method"]}
    row |= {"compression": 1.0, "setting": own["variant"]} if own["method"] == "teacher" else {}
    row |= {name: flag(own.get(f"parameters.{name}")) for name in ("local", "reweight")}
    for task in TASKS:
        numbers = measured(variant, student, task)
        row |= {name: numbers.pop(name) for name in ("n", "missing", "failed")}
        row |= {f"{task}_{name}": value for name, value in (numbers | in_paper(row, task)).items()}
    kind = "teacher" if own["method"] == "teacher" else "student"
    for name in COSTS:
        row[f"paper_{name}"] = paper_value(row["detector"], row["compression"], kind, False, False, name)
    return row | facts(variant, tuple(COSTS))
