"""What a search found where: its runs over the two searched values that mattered most, colored by the result."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis import headings, style
from analysis.fronts import column_of, judged
from analysis.results import Results
from analysis.wording import missing_sentence, with_unit

TITLE = "Where the search found what"
EMPTY = "No search has varied two numbers over finished runs (or the study did not search)."

COLUMNS = [
    "study", "key", "kind", "x", "y", "score", "better", "x_key", "y_key", "x_axis", "y_axis", "axis", "missing",
]  # fmt: skip
BEST, OTHER, LOST = "best run", "finished run", "run without a result"
LOOKS: dict[str, dict[str, Any]] = {
    OTHER: {"marker": "o", "s": 34, "edgecolors": style.GRAY, "zorder": 3},
    BEST: {"marker": "*", "s": 120, "edgecolors": style.BLACK, "zorder": 4},
    LOST: {"marker": "x", "s": 20, "color": style.GRAY, "zorder": 2},
}


def summarize(results: Results) -> pd.DataFrame:
    """One row per run of each search that holds both values: the first objective; runs that tie are all the best."""
    rows: list[dict[str, Any]] = []
    for study in results.studies:
        found = judged(study)
        values = _most_important(study, found.runs)
        if len(values) < 2:
            continue
        (x, x_axis), (y, y_axis) = values.items()
        first = found.objectives[0]
        scores = found.runs.set_index("key")[column_of(first)].astype(float)
        within = scores[found.runs.set_index("key")["within"]]
        best = within.max() if first.sign > 0 else within.min()
        ended = study.runs[(study.runs["role"] == "search") & (study.runs["status"] != "not_run")]
        common = {"study": study.specs[0].name, "x_key": x, "y_key": y, "x_axis": x_axis, "y_axis": y_axis}
        common |= {"axis": headings.of_metric(first), "better": "more" if first.sign > 0 else "less"}
        for run in ended.dropna(subset=[x, y]).sort_values([x, y, "key"]).to_dict("records"):
            kind = LOST if run["key"] not in scores else BEST if within.get(run["key"]) == best else OTHER
            row = {"key": run["key"], "kind": kind, "x": float(run[x]), "y": float(run[y])}
            rows.append(common | row | {"score": scores.get(run["key"]), "missing": found.missing})
    return pd.DataFrame(rows, columns=COLUMNS)


def caption(summary: pd.DataFrame) -> str:
    """What is drawn, and how many runs are missing."""
    once = summary.drop_duplicates("study")
    scored, missing = int((summary["kind"] != LOST).sum()), int(once["missing"].sum())
    return (
        "Every run of the search over the two values that were rated most important (the first two where nothing could "
        "be rated); its other values differ from point to point. Brighter is better, the star is the best run that "
        f"keeps to all bounds. {missing_sentence(missing, scored + missing)}"
    )


def draw(summary: pd.DataFrame, width: float = style.PAGE_WIDTH) -> Figure:
    """One panel per study, each with a scale of its own."""
    with style.applied():
        figure, panels = style.by_study(summary, width, 3.2, lambda study: 2.7)
        for axes, study in panels:
            _draw_panel(figure, axes, study)
        style.legend_below(figure, 3, list(LOOKS))
    return figure


def _most_important(study: Results, runs: pd.DataFrame) -> dict[str, str]:
    """The two numbers that matter most and vary, with the labels of their axes."""
    search = study.specs[0].search
    if search is None or runs.empty:
        return {}
    names, symbols = study.names(runs), headings.of_values(study, runs) | headings.of_searched(study)
    rated = study.importances.get(study.specs[0].name)
    order = [value.key for value in rated.values if value.median is not None] if rated else []
    found: dict[str, str] = {}
    for key in dict.fromkeys([*order, *(search.space or ()), *symbols]):
        values = pd.to_numeric(runs[key], errors="coerce") if key in runs else pd.Series(dtype=float)
        if values.nunique() > 1 and not (key in names and names[key].switch):
            called = names.get(key)
            title = f"{called.symbol}: {called.title}" if called and called.title else symbols.get(key, key)
            found[key] = with_unit(title, called.unit if called else "")
    return dict(list(found.items())[:2])


def _draw_panel(figure: Figure, axes: Axes, study: pd.DataFrame) -> None:
    scores = study["score"].astype(float)
    colors = style.SCORES if study["better"].iloc[0] == "more" else f"{style.SCORES}_r"
    scale = ScalarMappable(Normalize(scores.min(), scores.max()), colors)
    for kind, look in LOOKS.items():
        points = study[study["kind"] == kind]
        shade = {} if kind == LOST else {"c": points["score"].astype(float), "cmap": scale.cmap, "norm": scale.norm}
        shared: dict[str, Any] = {"linewidths": 0.8, "rasterized": len(study) > style.MANY_POINTS}
        if len(points):
            axes.scatter(points["x"], points["y"], label=kind, **shared, **shade, **look)
    style.value_axis(axes, study["x"].min(), study["x"].max())
    style.value_axis(axes, study["y"].min(), study["y"].max(), "y")
    axes.set_xlabel(study["x_axis"].iloc[0])
    axes.set_ylabel(study["y_axis"].iloc[0])
    figure.colorbar(scale, ax=axes, label=study["axis"].iloc[0], pad=0.02)
