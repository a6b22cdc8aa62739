"""The best configurations that the search found. The best of many is flattered: its score chose it."""

import pandas as pd

from analysis.results import Results
from analysis.wording import PARAMETERS, mark, metric_title, missing_sentence, number, short

TITLE = "Best runs of the search"
EMPTY = "The search has no finished run with the study's metric (or the study did not search)."

TOP = 10
COLUMNS = ["rank", "key", "seed", "metric", "score", "gain", "local", "reweight", "neighbors", "samples", "temperature"]


def summarise(results: Results) -> pd.DataFrame:
    """The ten best finished search runs: score, gain over the undistilled student of the same seed, parameters."""
    score = f"metrics.{results.metric}"
    asked = results.runs[results.runs["role"] == "search"]
    if score not in asked:
        return pd.DataFrame(columns=COLUMNS)
    scored = asked[(asked["status"] == "finished") & asked[score].notna()]
    descending = results.specs[0].mode == "max"
    best = scored.sort_values([score, "key"], ascending=[not descending, True]).head(TOP)
    student = results.finished[results.finished["method"] == "student"]
    baseline = student.groupby(["setting", "seed"])[score].mean()
    table = pd.DataFrame({"rank": range(1, len(best) + 1), "key": best["key"].to_numpy()})
    table["seed"] = best["seed"].to_numpy()
    table["metric"] = results.metric
    table["score"] = best[score].to_numpy(dtype=float)
    pairs = list(zip(best["setting"], best["seed"], strict=True))
    table["gain"] = table["score"] - [float(baseline.get(pair, float("nan"))) for pair in pairs]
    for name in PARAMETERS:
        table[name] = best[f"parameters.{name}"].to_numpy() if f"parameters.{name}" in best else None
    table["seconds"] = best["seconds"].to_numpy()
    table["scored"] = len(scored)
    table["missing"] = len(asked) - len(scored)
    return table


def caption(summary: pd.DataFrame) -> str:
    """The warning that belongs to every best-of-many, and how many runs are missing."""
    scored, missing = int(summary["scored"].iloc[0]), int(summary["missing"].iloc[0])
    return (
        f"The best {len(summary)} of {scored} search runs by {metric_title(summary['metric'].iloc[0])} (percent). "
        "These scores chose the rows, so they are optimistic: repeat a configuration on new seeds before "
        f"believing its gain. {missing_sentence(missing, scored + missing)}"
    )


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """Score, gain and parameters as texts."""
    table = pd.DataFrame({"Rank": summary["rank"].astype(str), metric_title(summary["metric"].iloc[0]): ""})
    table.iloc[:, 1] = summary["score"].map(number)
    table["Gain (same seed)"] = summary["gain"].map(lambda gain: number(gain, sign=True))
    for name, title in PARAMETERS.items():
        table[title] = summary[name].map(mark if name in ("local", "reweight") else short)
    table["Seed"] = summary["seed"].astype(str)
    table["Key"] = summary["key"]
    return table
