"""The best configurations that the search found. The best of many is flattered: its score chose it."""

import pandas as pd

from analysis import headings
from analysis.fronts import column_of, judged
from analysis.results import Results
from analysis.wording import DASH, count, listed, mark, missing_sentence, number

TITLE = "Best runs of the search"
EMPTY = "The search has no finished run with all that it is judged by (or the study did not search)."

TOP = 10


def summarize(results: Results) -> pd.DataFrame:
    """The best finished search runs of each study, ten or all that are on the front: objectives, gain, values.

    Runs on the front come first, runs beyond a bound last. Score and gain are of the first objective; the gain is
    paired with the student of the same seed, positive where the run is better. `attrs` holds the headings of the values
    and of further objectives, by column.
    """
    found = [best for study in results.studies if len(best := _of_study(study))]
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["study", "rank", "key", "missing"])
    searched = results.runs[results.runs["role"] == "search"]
    values = headings.of_values(results, searched) | headings.of_searched(results)
    table.attrs = {"values": {key: symbol for key, symbol in values.items() if key in table}, "objectives": {}}
    for study in results.studies:
        others = judged(study).objectives[1:]
        table.attrs["objectives"] |= {column_of(metric): headings.of_metric(metric) for metric in others}
    return table


def caption(summary: pd.DataFrame) -> str:
    """What comes first, the warning that belongs to every best-of-many, and how many runs are missing."""
    said = []
    for _, of_study in summary.groupby("study", sort=False):
        one, best = of_study.iloc[0], int(of_study["within"].sum())
        if pd.isna(one["front"]):
            said.append(f"The best {best} of {one['scored']} search runs by {one['judged_by']}.")
        else:
            said.append(
                f"Of {one['scored']} search runs, those on the front of {one['judged_by']} come first: no other run is "
                "as good in all of them and better in one."
            )
        if one["pruned"]:
            said.append(f"{count(one['pruned'], 'run')} that fell behind were ended early and are not among them.")
        if one["bounds"]:
            said.append(f"Beyond the bounds ({one['bounds']}): {one['beyond']}, which come last, without a rank.")
    once = summary.drop_duplicates("study")
    scored, missing = int(once["scored"].sum()), int(once["missing"].sum())
    new = (
        "believe the gain of “best of the search”, which repeats one on new seeds"
        if once["confirmed"].all()
        else ("repeat a configuration on new seeds before believing its gain")
    )
    return (
        f"{' '.join(said)} These scores chose the rows, so they are optimistic: {new}. "
        f"{missing_sentence(missing, scored + missing)}"
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """Objectives, gain and values as texts."""
    several = summary["study"].nunique() > 1
    table = pd.DataFrame({"Study": summary["study"]} if several else {}, index=summary.index)
    table["Rank"] = summary["rank"].astype(str).where(summary["within"], DASH)
    if summary["front"].notna().any():
        table["On the front"] = summary["front"].map(mark)
    if (summary["bounds"] != "").any():
        table["Keeps to the bounds"] = summary["within"].map(mark).where(summary["bounds"] != "", DASH)
    titles = summary["metric_heading"].unique()
    table[titles[0] if len(titles) == 1 else "Score"] = summary["score"].map(number)
    for column, heading in summary.attrs["objectives"].items():
        table[heading] = summary[column].map(lambda value: number(value, 2))
    table["Gain (same seed)"] = summary["gain"].map(lambda gain: number(gain, sign=True))
    for key, symbol in summary.attrs["values"].items():
        table[symbol] = summary[key].map(headings.value_text)
    table["Seed"] = summary["seed"].astype(str)
    table["Key"] = summary["key"]
    return table


def _of_study(study: Results) -> pd.DataFrame:
    objectives, bounds, scored, pruned, missing = judged(study)
    if scored.empty:
        return pd.DataFrame()
    first, *others = objectives
    sign, score = first.sign, column_of(first)
    ordered = scored.assign(worse=-sign * scored[score], beyond=~scored["within"], behind=~scored["front"])
    ordered = ordered.sort_values(["beyond", "behind", "worse", "key"])
    best = ordered.head(max(TOP, int(scored["front"].sum()))).reset_index(drop=True)
    student = study.finished[study.finished["method"] == "student"]
    baseline = student.groupby(["setting", "seed"])[score].mean() if score in student else pd.Series(dtype=float)
    pairs = list(zip(best["setting"], best["seed"], strict=True))
    own = best[score].astype(float)
    table = pd.DataFrame({"study": study.specs[0].name, "rank": range(1, len(best) + 1)}, index=best.index)
    table = table.assign(key=best["key"], seed=best["seed"], metric=first.name, score=own)
    table = table.assign(within=best["within"], front=best["front"] if others else None)
    for metric in others:
        table[column_of(metric)] = best[column_of(metric)].astype(float)
    table["gain"] = sign * (own - [float(baseline.get(pair, float("nan"))) for pair in pairs])
    for key in headings.of_values(study, scored) | headings.of_searched(study):
        table[key] = best[key]
    table["seconds"] = best["seconds"]
    table = table.assign(judged_by=listed([metric.title for metric in objectives]), bounds=bounds)
    table = table.assign(metric_heading=headings.of_metric(first), beyond=int((~scored["within"]).sum()))
    confirmed = bool((study.runs["role"] == "confirmation").any())
    return table.assign(scored=len(scored), pruned=pruned, confirmed=confirmed, missing=missing)
