"""The one frame of claims that their table and pictures are cut from: one row per claim, as stated, study by study.

Differences are those of the rows that the verdict hangs on, in the metric's unit, positive where the row is better.
`low`, `high` hold 95 % of the time, `claim_low`, `claim_high` as often as the claim's share of the error asks. `least`
and `most` are its thresholds: value minus tolerance and value, or both ends of what counts as the same.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from analysis.results import Results
from analysis.wording import missing_sentence, with_unit
from study.evidence.sentence import shown
from study.evidence.statements import Answer

GIVEN_UP = "given up"
"""What an undecided claim is called that waits, as it would hardly be answered within its seeds."""

COLUMNS = [
    "study", "place", "claim", "kind", "row", "over", "verdict", "words", "later", "exploratory", "n", "cap",
    "estimate", "low", "high", "claim_low", "claim_high", "least", "most", "published", "source", "diverged", "chance",
    "seeds_needed", "axis", "alpha", "missing", "runs_of_study", "missing_of_study",
]  # fmt: skip


def claim_frame(results: Results) -> pd.DataFrame:
    """Every claim with its verdict, its estimate, its thresholds and the paper's value."""
    return pd.DataFrame(claim_rows(results), columns=COLUMNS)


def claim_rows(results: Results) -> list[dict[str, Any]]:
    """The same as dictionaries that hold the `wave` that decided, and every look (`looks`), too."""
    return [row for study in results.studies for row in _of_study(study)]


def missing_of_studies(summary: pd.DataFrame) -> str:
    """What a caption says of the runs of all claimed rows, each counted once."""
    once = summary.drop_duplicates("study")
    return missing_sentence(int(once["missing_of_study"].sum()), int(once["runs_of_study"].sum()))


def _of_study(study: Results) -> Iterator[dict[str, Any]]:
    told = study.answers.get(study.specs[0].name)
    if told is None:
        return
    common = {"study": study.specs[0].name, "cap": told.cap, "alpha": told.alpha}
    common["axis"] = with_unit(f"gain in {study.metric.title}", study.metric.unit)
    runs, claimed = study.rows, {row for answer in told.claims for row in answer.claim.rows}
    total, missing = _counted(runs, claimed)
    common |= {"runs_of_study": total, "missing_of_study": missing}
    for place, answer in enumerate(told.claims):
        _, missing = _counted(runs, answer.claim.rows)
        yield common | {"place": place, "missing": missing} | _row(answer, runs)


def _counted(runs: pd.DataFrame, labels: Iterable[str]) -> tuple[int, int]:
    """How many runs of some rows were planned, and how many of them have no result."""
    found = runs[runs["label"].isin(list(labels))]
    return len(found), int((found["status"] != "finished").sum())


def _row(answer: Answer, runs: pd.DataFrame) -> dict[str, Any]:
    claim, at = answer.claim, answer.differences[answer.deciding]
    text = f"{answer.text} (exploratory)" if claim.exploratory else answer.text
    row: dict[str, Any] = {"claim": text, "kind": claim.kind, "row": claim.row, "over": at.over or "teacher"}
    row |= {"verdict": GIVEN_UP if answer.given_up else str(answer.verdict), "exploratory": claim.exploratory}
    row["words"] = f"undecided, {GIVEN_UP}" if answer.given_up else shown(claim, answer.verdict)
    row["later"] = "" if answer.later is None else shown(claim, answer.later)
    row |= at.model_dump(include={"n", "estimate", "low", "high", "claim_low", "claim_high"})
    same = claim.kind == "same"
    row |= {"least": -claim.within, "most": claim.within} if same else {}
    row |= {} if same else {"least": claim.gained - claim.tolerance, "most": claim.gained}
    row |= {"published": claim.published, "source": claim.source, "diverged": _diverged(answer, runs)}
    row |= answer.model_dump(include={"chance", "seeds_needed", "wave"})
    return row | {"looks": at.looks}


def _diverged(answer: Answer, runs: pd.DataFrame) -> str:
    """`1 of 7 runs of crd`; nothing where none did."""
    recorded = runs[runs["status"].isin(("finished", "failed"))]["label"].value_counts()
    return ", ".join(f"{count} of {recorded.get(row, count)} runs of {row}" for row, count in answer.diverged.items())
