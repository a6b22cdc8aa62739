"""Which searched values mattered: the importance of each, with the interval that its trials allow."""

import pandas as pd

from analysis import headings
from analysis.fronts import judged
from analysis.results import Results
from analysis.wording import DASH, missing_sentence, number
from study.nouns.importances import FEWEST

TITLE = "Which searched values mattered"
EMPTY = "No launch with a search has ended yet (or the study did not search)."


def summarize(results: Results) -> pd.DataFrame:
    """One row per searched value of each study, the most important first; no numbers where there are too few trials."""
    rows = []
    for study in results.studies:
        found, (name,) = judged(study), [spec.name for spec in study.specs]
        symbols = headings.of_values(study, found.runs) | headings.of_searched(study)
        if (rated := results.importances.get(name)) is None:
            continue
        rows += [
            {"study": name, "parameter": symbols.get(value.key, value.key), **value.model_dump()}
            | {"trials": rated.trials, "best": rated.best, "several": len(found.objectives) > 1}
            | {"scored": len(found.runs), "missing": found.missing}
            for value in rated.values
        ]
    return pd.DataFrame(rows, columns=None if rows else ["study", "parameter", "missing"])


def caption(summary: pd.DataFrame) -> str:
    """How it is computed, on what, and how many runs are missing."""
    once = summary.drop_duplicates("study")
    said = [_said(study, len(once) > 1) for study in once.to_dict("records")]
    scored, missing = int(once["scored"].sum()), int(once["missing"].sum())
    return f"{' '.join(said)} {missing_sentence(missing, scored + missing)}"


def present(summary: pd.DataFrame) -> pd.DataFrame:
    """Importances in percent as texts."""
    several = summary["study"].nunique() > 1
    table = pd.DataFrame({"Study": summary["study"]} if several else {}, index=summary.index)
    table["Parameter"] = summary["parameter"]
    few = summary["trials"] < FEWEST
    table["Importance (%)"] = (100 * summary["median"].astype(float)).map(number).where(~few, "too few trials")
    low, high = ((100 * summary[end].astype(float)).map(number) for end in ("low", "high"))
    table["95 % interval"] = (low + " to " + high).where(~few, DASH)
    table["n"] = summary["n"].astype(str)
    return table


def _said(study: dict[str, object], named: bool) -> str:
    start = f"{study['study']}: " if named else ""
    if int(str(study["trials"])) < FEWEST:
        return f"{start}{study['trials']} finished trials are too few to rate anything; {FEWEST} are needed."
    front = ", on the front of its objectives or nearest to it," if study["several"] else ""
    return (
        f"{start}PED-ANOVA: how far the values of the best {study['best']} of {study['trials']} finished trials{front} "
        "lie from those of all. Median and interval are over 200 bootstraps of the trials, each of which sums to 100. "
        "A value that is searched under a condition is rated on the n trials that had it."
    )
