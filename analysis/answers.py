"""The answer in a few sentences, computed from the runs, with what the number of seeds allows to be said."""

from collections.abc import Iterator

import pandas as pd

from analysis.intervals import Spread, paired_differences, spread
from analysis.results import Results, teachers
from analysis.wording import flag, metric_in_text, missing_sentence, number

OTHER = {"mAP/3d/moderate": "mAP/bev/moderate", "mAP/bev/moderate": "mAP/3d/moderate"}
"""What is also said, where the study asked about the one."""

TOLD = 6
"""Rows told in words at most; the table has all of them."""
FIRST = 3
"""Rows named, of those that were ordered."""


def sentences(results: Results) -> list[str]:
    """What the fixed rows, the teacher and the search say about the study's metric, weakest evidence named as such."""
    said = []
    runs = results.tuned
    distilled = runs[runs["method"] == "pointdistiller"]
    several = runs.loc[runs["method"] != "teacher", "setting"].nunique() > 1
    for setting, group in runs.groupby("setting", sort=False):
        if set(group["method"]) <= {"teacher"}:
            continue
        first = group.iloc[0]
        where = f"{first['detector']} {first['compression']:g}x on {first['dataset']}: " if several else ""
        of_setting = distilled[distilled["setting"] == setting]
        said += [
            where + text
            for part in (
                _gap(results, group),
                _order(results, group),
                _rows(results, group),
                _search(results, of_setting),
            )
            for text in part
        ]
    expected = len(results.runs)
    missing = expected - len(results.finished)
    return [*said, missing_sentence(missing, expected)] if expected else ["Nothing has been run yet."]


def verdict(gain: Spread) -> str:
    """What a paired gain allows to be said."""
    if gain.n == 1:
        return "one seed: spread unknown, nothing can be concluded"
    interval = f"95 % interval {number(gain.low, sign=True)} to {number(gain.high, sign=True)}"
    if gain.excludes_zero:
        return f"{interval}: a {'rise' if gain.mean > 0 else 'fall'} beyond the spread of the seeds"
    return f"{interval}, includes zero: no difference shown"


def _gap(results: Results, group: pd.DataFrame) -> Iterator[str]:
    column = f"metrics.{results.metric}"
    above = teachers(results.runs)
    above = above[above["family"] == group["family"].iloc[0]]
    student = group[(group["method"] == "student") & (group["status"] == "finished")]
    reached = spread(student[column]) if column in student else spread(pd.Series(dtype=float))
    best = spread(above[column]) if column in above else spread(pd.Series(dtype=float))
    if not reached.n:
        yield "No student without distillation has finished, so no gain can be computed."
    elif best.n:
        lead = best.mean - reached.mean
        verdict = "below its student: there is little to teach" if lead <= 0 else f"{number(lead)} above its student"
        yield (
            f"The teacher reaches {number(best.mean)} {metric_in_text(results.metric)}, {verdict} "
            f"without distillation ({reached.text()}, n = {reached.n})."
        )


def _order(results: Results, group: pd.DataFrame) -> Iterator[str]:
    """Which method comes first, where several were compared."""
    finished = group[(group["status"] == "finished") & (group["role"] != "search")]
    student, rows = (
        finished[finished["method"] == "student"],
        finished[~finished["method"].isin(["teacher", "student"])],
    )
    if rows["method"].nunique() < 2:
        return
    column = f"metrics.{results.metric}"
    pairs = [(str(name), spread(paired_differences(row, student, column))) for name, row in rows.groupby("row")]
    better = -1 if results.specs[0].mode == "max" else 1
    gains = sorted((pair for pair in pairs if pair[1].n), key=lambda pair: better * pair[1].mean)
    if gains:
        first = ", ".join(f"{name} {gain.text(sign=True)}" for name, gain in gains[:FIRST])
        beyond = sum(gain.excludes_zero and better * gain.mean < 0 for _, gain in gains)
        yield (
            f"By mean gain in {metric_in_text(results.metric)} over the student of the same seed, {gains[0][0]} comes "
            f"first of {len(gains)} ({first}); {beyond} of {len(gains)} gains lie beyond the spread of the seeds."
        )


def _rows(results: Results, group: pd.DataFrame) -> Iterator[str]:
    finished = group[group["status"] == "finished"]
    student = finished[finished["method"] == "student"]
    rows = finished[~finished["method"].isin(["teacher", "student"]) & (finished["role"] != "search")]
    metrics = [results.metric, *([OTHER[results.metric]] if results.metric in OTHER else [])]
    told = []
    # The whole method first, as that is what the question is about.
    lit = rows.reindex(columns=["parameters.local", "parameters.reweight"]).eq(True).sum(axis=1)
    for name, row in rows.loc[lit.sort_values(ascending=False, kind="stable").index].groupby("row", sort=False):
        gains = {metric: spread(paired_differences(row, student, f"metrics.{metric}")) for metric in metrics}
        said = [
            f"{metric_in_text(metric)} by {gain.text(sign=True)} ({verdict(gain)})"
            for metric, gain in gains.items()
            if gain.n
        ]
        if said:
            n = max(gain.n for gain in gains.values())
            seeds = "the same seed" if n == 1 else f"the same {n} seeds"
            start = f"Against the student without distillation on {seeds}, {_named(row.iloc[0], str(name))}"
            told.append(f"{start} changed {' and '.join(said)}.")
    yield from told[:TOLD]
    if len(told) > TOLD:
        yield f"{len(told) - TOLD} more fixed rows are in the table below."


def _named(run: pd.Series, row: str) -> str:
    if run["method"] != "pointdistiller":
        return row
    switches = {"LD": flag(run.get("parameters.local")), "RL": flag(run.get("parameters.reweight"))}
    lit = " + ".join(name for name, on in switches.items() if on) or "neither LD nor RL"
    return f"PointDistiller with {lit} (row “{row}”)"


def _search(results: Results, distilled: pd.DataFrame) -> Iterator[str]:
    column = f"metrics.{results.metric}"
    searched = distilled[(distilled["role"] == "search") & (distilled["status"] == "finished")]
    scores = searched[column].dropna() if column in searched else pd.Series(dtype=float)
    if scores.empty:
        return
    best = scores.max() if results.specs[0].mode == "max" else scores.min()
    yield (
        f"The best of {len(scores)} search runs scored {number(best)} {metric_in_text(results.metric)} (median "
        f"{number(scores.median())}); being the best of {len(scores)}, it is an optimistic figure."
    )
