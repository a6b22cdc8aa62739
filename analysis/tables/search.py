"""The best configurations that the search found. The best of many is flattered: its score chose it."""

import pandas as pd

from analysis import headings
from analysis.declarations import better_sign
from analysis.results import Results
from analysis.wording import missing_sentence, number

TITLE = "Best runs of the search"
EMPTY = "The search has no finished run with the study's metric (or the study did not search)."

TOP = 10


def summarize(results: Results) -> pd.DataFrame:
    """The ten best finished search runs of each study by its own metric: score, gain over the student, values.

    The gain is paired with the student of the same seed, positive where the run is better. `attrs` holds the headings
    of the values, by column.
    """
    found = [best for study in results.studies if len(best := _of_study(study))]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["study", "rank", "key", "missing"])
    searched = results.runs[results.runs["role"] == "search"]
    values = headings.of_values(results, searched)
    table.attrs = {"values": {key: symbol for key, symbol in values.items() if key in table}}
    return table


def caption(summary: pd.DataFrame) -> str:
    """The warning that belongs to every best-of-many, and how many runs are missing."""
    said = [
        f"The best {len(of_study)} of {of_study['scored'].iloc[0]} search runs by {of_study['metric_title'].iloc[0]}."
        for _, of_study in summary.groupby("study", sort=False)
    ]
    once = summary.drop_duplicates("study")
    scored, missing = int(once["scored"].sum()), int(once["missing"].sum())
    return (
        f"{' '.join(said)} These scores chose the rows, so they are optimistic: repeat a configuration on new seeds "
        f"before believing its gain. {missing_sentence(missing, scored + missing)}"
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """Score, gain and values as texts."""
    several = summary["study"].nunique() > 1
    table = pd.DataFrame({"Study": summary["study"]} if several else {}, index=summary.index)
    table["Rank"] = summary["rank"].astype(str)
    titles = summary["metric_heading"].unique()
    table[titles[0] if len(titles) == 1 else "Score"] = summary["score"].map(number)
    table["Gain (same seed)"] = summary["gain"].map(lambda gain: number(gain, sign=True))
    for key, symbol in summary.attrs["values"].items():
        table[symbol] = summary[key].map(headings.value_text)
    table["Seed"] = summary["seed"].astype(str)
    table["Key"] = summary["key"]
    return table


def _of_study(study: Results) -> pd.DataFrame:
    metric, sign = study.metric, better_sign(study.metric)
    score = f"metrics.{metric.name}"
    asked = study.runs[study.runs["role"] == "search"]
    if score not in asked:
        return pd.DataFrame()
    scored = asked[(asked["status"] == "finished") & asked[score].notna()]
    best = scored.assign(worse=-sign * scored[score]).sort_values(["worse", "key"]).head(TOP).reset_index(drop=True)
    student = study.finished[study.finished["method"] == "student"]
    baseline = student.groupby(["setting", "seed"])[score].mean()
    pairs = list(zip(best["setting"], best["seed"], strict=True))
    own = best[score].astype(float)
    table = pd.DataFrame({"study": study.specs[0].name, "rank": range(1, len(best) + 1)}, index=best.index)
    table = table.assign(key=best["key"], seed=best["seed"], metric=metric.name, score=own)
    table["gain"] = sign * (own - [float(baseline.get(pair, float("nan"))) for pair in pairs])
    for key in headings.of_values(study, scored):
        table[key] = best[key]
    table["seconds"] = best["seconds"]
    table["metric_title"], table["metric_heading"] = metric.title, headings.of_metric(metric)
    return table.assign(scored=len(scored), missing=len(asked) - len(scored))
