"""The answer in a few sentences, computed from the runs, with what the number of seeds allows to be said.

Of a study that makes claims these are their verdicts. What is said of single rows of other studies is not corrected for
many comparisons, so it is not said beside verdicts that are.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from analysis.claim_notes import share
from analysis.fronts import column_of, judged
from analysis.intervals import Spread, paired_differences, spread
from analysis.results import Results
from analysis.teachers import teachers_above
from analysis.wording import flag, listed, missing_sentence, number
from study.evidence.statements import Answers
from study.nouns.config import UNDISTILLED
from study.nouns.metrics import Metric

TOLD = 6
"""Rows told in words at most; the table has all of them."""
FIRST = 3
"""Rows named, of those that were ordered."""


def sentences(results: Results) -> list[str]:
    """What fixed rows, teachers and the search say about each study's own metric, weak evidence named as such."""
    said = []
    for study in results.studies:
        prefix = f"{study.specs[0].name}: " if len(results.studies) > 1 else ""
        said += [prefix + text for text in [*_claims(study.answers), *_of_study(study)]]
    expected = len(results.runs)
    missing = expected - len(results.finished)
    return [*said, missing_sentence(missing, expected)] if expected else ["Nothing has been run yet."]


def verdict(change: Spread) -> str:
    """What a paired difference allows to be said."""
    if change.n == 1:
        return "one seed: spread unknown, nothing can be concluded"
    interval = f"95 % interval {number(change.low, sign=True)} to {number(change.high, sign=True)}"
    if change.excludes_zero:
        return f"{interval}: a {'rise' if change.mean > 0 else 'fall'} beyond the spread of the seeds"
    return f"{interval}, includes zero: no difference shown"


def _claims(told: Mapping[str, Answers]) -> Iterator[str]:
    """The verdict of every claim, with how many claims share which error."""
    for answers in told.values():
        for answer in answers.claims:
            later = answer.claim.exploratory
            count = sum(other.claim.exploratory is later for other in answers.claims)
            claims = f"{'exploratory ' if later else ''}claim{'' if count == 1 else 's'}"
            yield f"{answer.text}: {answer.sentence}; {count} {claims}, error ≤ {share(answers.alpha)}."


def _of_study(study: Results) -> Iterator[str]:
    runs = study.runs[(study.runs["role"] != "tuning") & (study.runs["method"] != "teacher")]
    if runs["setting"].nunique() > 1:  # a search may have tried many in which nothing else was asked
        runs = runs[runs["setting"].isin(runs.loc[runs["role"] != "search", "setting"])]
    for _, group in runs.groupby("setting", sort=False):
        first = group.iloc[0]
        several = runs["setting"].nunique() > 1
        where = f"{first['detector']} {first['compression']:g}x on {first['dataset']}: " if several else ""
        finished = group[group["status"] == "finished"]
        rows = [] if study.answers else [*_order(study, finished), *_rows(study, finished)]
        for part in (_gap(study, group), rows):
            yield from (where + text for text in part)
    yield from _search(study)


def _gap(study: Results, group: pd.DataFrame) -> Iterator[str]:
    """How far each teacher of the setting stands above the student without distillation."""
    column = f"metrics.{study.metric.name}"
    student = group[(group["method"] == "student") & (group["status"] == "finished")]
    reached = spread(student[column]) if column in student else spread(pd.Series(dtype=float))
    if not reached.n:
        yield "No student without distillation has finished, so no gain can be computed."
        return
    above = teachers_above(study.runs, group)
    above = above[(above["status"] == "finished") & above[column].notna()] if column in above else above.iloc[:0]
    for name, teacher in above.groupby("row", sort=False):
        best = spread(teacher[column])
        lead = study.metric.sign * (best.mean - reached.mean)
        than = "its student" if lead > 0 else "its student (there is little to teach)"
        better = f"{number(lead)} better than" if lead > 0 else "no better than"
        whose = f"The teacher “{name}”" if above["row"].nunique() > 1 else "The teacher"
        yield (
            f"{whose} reaches {number(best.mean)} {_told(study.metric)}, {better} {than} without distillation "
            f"({reached.text()}, n = {reached.n})."
        )


def _order(study: Results, finished: pd.DataFrame) -> Iterator[str]:
    """Which method comes first, where several were compared, of those that have run every seed that any has run."""
    rows, student = _fixed(finished), finished[finished["method"] == "student"]
    if rows["method"].nunique() < 2:
        return
    sign, column = study.metric.sign, f"metrics.{study.metric.name}"
    changes = {str(name): sign * paired_differences(row, student, column) for name, row in rows.groupby("row")}
    gains = {name: spread(change) for name, change in changes.items() if len(change)}
    seeds = set().union(*(change.index for change in changes.values()))
    ranked = sorted((name for name in gains if seeds <= set(changes[name].index)), key=lambda name: -gains[name].mean)
    fewer = [f"{name} has run {gain.n} of {len(seeds)} seeds" for name, gain in gains.items() if name not in ranked]
    if len(ranked) > 1:
        first = ", ".join(f"{name} {gains[name].text(sign=True)}" for name in ranked[:FIRST])
        beyond = sum(gains[name].excludes_zero and gains[name].mean > 0 for name in ranked)
        yield (
            f"By mean gain in {_told(study.metric)} over the student of the same seed, {ranked[0]} comes "
            f"first of {len(ranked)} ({first}); {beyond} of {len(ranked)} gains lie beyond the spread of the seeds."
        )
    if fewer:
        yield f"Not ranked, as a mean over fewer seeds may be luck: {listed(fewer)}."


def _rows(study: Results, finished: pd.DataFrame) -> Iterator[str]:
    """What each fixed row changes, the whole method first, as that is what the question is about."""
    rows, student = _fixed(finished), finished[finished["method"] == "student"]
    switches = [key for key, called in study.names(rows).items() if called.switch]
    lit = rows.reindex(columns=switches).eq(True).sum(axis=1).sort_values(ascending=False, kind="stable")
    told = []
    for name, row in rows.loc[lit.index].groupby("row", sort=False):
        changes = {
            metric: spread(paired_differences(row, student, f"metrics.{metric.name}")) for metric in _told_of(study)
        }
        said = [
            f"{_told(metric)} by {change.text(sign=True)} ({verdict(change)})"
            for metric, change in changes.items()
            if change.n
        ]
        if said:
            n = max(change.n for change in changes.values())
            seeds = "the same seed" if n == 1 else f"the same {n} seeds"
            start = f"Against the student without distillation on {seeds}, {_named(study, row.iloc[0], str(name))}"
            told.append(f"{start} changed {' and '.join(said)}.")
    yield from told[:TOLD]
    if len(told) > TOLD:
        yield f"{len(told) - TOLD} more fixed rows are in the table below."


def _search(study: Results) -> Iterator[str]:
    """What the search found, whatever it varied."""
    objectives, bounds, runs, *_ = judged(study)
    within, first = runs[runs["within"]], objectives[0]
    if runs.empty:
        return
    if within.empty:
        yield f"None of {len(runs)} search runs keeps to the bounds of the search ({bounds})."
        return
    of = f"{len(within)} search runs{f' that keep to {bounds}' if bounds else ''}"
    if len(objectives) > 1:
        yield f"{within['front'].sum()} of {of} are on the front of {listed([_told(one) for one in objectives])}."
        return
    scores = within[column_of(first)].astype(float)
    best = scores.max() if first.sign > 0 else scores.min()
    yield (
        f"The best of {of} scored {number(best)} {_told(first)} (median "
        f"{number(scores.median())}); being the best of {len(scores)}, it is an optimistic figure."
    )


def _fixed(finished: pd.DataFrame) -> pd.DataFrame:
    return finished[~finished["method"].isin(UNDISTILLED) & (finished["role"] != "search")]


def _told_of(study: Results) -> list[Metric]:
    """The study's metric, and where it is a headline those of the other blocks."""
    others = [metric for metric in study.metrics() if metric.headline and metric.name != study.metric.name]
    return [study.metric, *(others if study.metric.headline else [])]


def _told(metric: Metric) -> str:
    return f"{metric.title}{' (lower is better)' if metric.direction == 'min' else ''}"


def _named(study: Results, run: pd.Series, row: str) -> str:
    """A row by its switches, where its method has some."""
    known = {called.symbol: flag(run.get(key)) for key, called in study.names().items() if called.switch}
    known = {symbol: on for symbol, on in known.items() if on is not None}
    if not known:
        return row
    lit = " + ".join(symbol for symbol, on in known.items() if on) or f"neither {' nor '.join(known)}"
    return f"{run['method']} with {lit} (row “{row}”)"
