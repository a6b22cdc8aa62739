"""Which rows of a table are the best in a column: of those only that have run every seed of their setting.

A mean over one lucky seed beats any mean over three, so a row that lacks a seed which another row of its setting has is
not compared, and neither is the teacher, which is a larger detector. One row alone is the best of nothing.
"""

import math

import pandas as pd

from analysis.cells import digits_of
from analysis.headings import metric_headings


def with_best(summary: pd.DataFrame) -> pd.DataFrame:
    """The frame of variants with a column `metrics.<heading>_best` for each metric: true in its best rows.

    Rows whose means are the same as printed are both the best.
    """
    if summary.empty:
        return summary
    known = summary.attrs["metrics"]
    compared = has_every_seed(summary)
    group = [summary["setting"], summary["block"]]
    marks = {}
    for name in metric_headings(summary):
        metrics = [known.get((block, name)) for block in summary["block"]]
        whole = compared & (summary[f"metrics.{name}_n"] == summary["n"])
        means = [
            metric.sign * round(mean, digits_of(metric)) if metric is not None and counts else math.nan
            for metric, mean, counts in zip(metrics, summary[f"metrics.{name}_mean"], whole, strict=True)
        ]
        values = pd.Series(means, summary.index, dtype=float)
        grouped = values.groupby(group)
        marks[f"metrics.{name}_best"] = (values == grouped.transform("max")) & (grouped.transform("count") > 1)
    marked = pd.concat([summary, pd.DataFrame(marks, index=summary.index)], axis=1)
    marked.attrs = dict(summary.attrs)
    return marked


def has_every_seed(summary: pd.DataFrame) -> pd.Series:
    """Whether a row is a student's, and has run every seed that any student of its setting has run."""
    students = summary["method"] != "teacher"
    seeds = [set(filter(None, text.split(", "))) for text in summary["seeds"]]
    asked: dict[str, set[str]] = {}
    for setting, own, student in zip(summary["setting"], seeds, students, strict=True):
        asked.setdefault(setting, set()).update(own if student else ())
    whole = [asked[setting] <= own for setting, own in zip(summary["setting"], seeds, strict=True)]
    return students & pd.Series(whole, summary.index, dtype=bool) & (summary["n"] > 0)
