"""What was claimed and what the runs show of it: verdict, estimate with its intervals, seeds, the paper's value."""

import pandas as pd

from analysis.cells import Row, between
from analysis.claim_frame import claim_frame, missing_of_studies
from analysis.declared_table import Column, presented
from analysis.results import Results
from analysis.wording import DASH, listed, number

TITLE = "Claims"
EMPTY = "No study makes claims."


def summarize(results: Results) -> pd.DataFrame:
    """One row per claim, in the order of the study."""
    return claim_frame(results)


def caption(summary: pd.DataFrame) -> str:
    """How to read the table, with the error of its verdicts, and how many runs are missing."""
    axes = listed(list(dict.fromkeys(summary["axis"])))
    several = summary["kind"].isin(("best", "same")).any()
    hangs = "Of a claim over several rows the difference that decides stands here. " if several else ""
    printed = "“Paper” is the gain that the paper prints. " if summary["published"].notna().any() else ""
    return (
        f"Each estimate is a {axes} on the same seeds, positive where the row is better. {hangs}"
        f"{' '.join(_error(of_study) for _, of_study in summary.groupby('study', sort=False))} "
        "Intervals hold at every look together, so at any stop; the one at the claim's own level agrees with its "
        f"verdict. {printed}{missing_of_studies(summary)}"
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows as texts."""
    several = summary["study"].nunique() > 1
    columns = [Column("Study", lambda row: row["study"])] if several else []
    columns += [
        Column("Claim", lambda row: row["claim"]),
        Column("Verdict", _verdict),
        Column("Estimate (95 % interval)", _estimate),
        Column("Interval at the claim's level", lambda row: between(row["claim_low"], row["claim_high"], sign=True)),
        Column("Seeds", lambda row: f"{row['n']} of {row['cap']}"),
    ]
    if summary["published"].notna().any():
        columns.append(Column("Paper", lambda row: number(row["published"], sign=True)))
    if summary["source"].ne("").any():
        columns.append(Column("Source", lambda row: row["source"] or DASH))
    if summary["diverged"].ne("").any():
        columns.append(Column("Diverged", lambda row: row["diverged"] or DASH))
    return presented(summary, columns)


def _error(of_study: pd.DataFrame) -> str:
    """Of one study: how many claims share which error."""
    first, later = of_study.iloc[0], int(of_study["exploratory"].sum())
    stated = len(of_study) - later
    error = f"an error of {first['alpha']:.0%}".replace("%", " %")
    said = [f"{stated} {'claim shares' if stated == 1 else 'claims share'} {error}"] if stated else []
    said += [f"{later} exploratory {'one' if later == 1 else 'ones'}, stated after runs were seen, another"] * (
        later > 0
    )
    return f"{listed(said)}, over all looks."


def _verdict(row: Row) -> str:
    words = f"{row['verdict']}: {row['words']}" if row["verdict"] in ("supported", "between") else row["words"]
    return f"{words}; later {row['later']} too" if row["later"] else str(words)


def _estimate(row: Row) -> str:
    if pd.isna(row["estimate"]):
        return DASH
    over = f" over {row['over']}" if row["kind"] in ("best", "same") else ""
    return f"{number(row['estimate'], sign=True)} ({between(row['low'], row['high'], sign=True)}){over}"
