"""The one frame of variants that the tables of results are cut from.

One row per setting, variant and block of metrics. Spreads (`_n`, `_mean`, `_std`, `_low`, `_high`; over seeds, in the
metric's unit) of every metric under `metrics.<heading>`; of its headline also `gain`, paired with the student without
distillation of the same seed, positive where the row is better; `from_teacher` is the distance of the means from the
row's own teacher, negative where the row is worse. `paper.<heading>`, `paper_gain` are what the paper printed,
`paper_differs` in what its setting is another, empty where it is the same or has no such row. `seeds` are those that
have a result. `attrs["metrics"]` holds the metric of every block and heading.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis import headings
from analysis.declarations import Block, blocks_of
from analysis.intervals import Spread, paired_differences, spread
from analysis.published import Printed, beside
from analysis.results import Results
from analysis.teachers import teacher_of, teachers_above
from analysis.wording import flag
from study.nouns import metrics
from study.nouns.config import UNDISTILLED
from study.nouns.metrics import Metric
from study.nouns.parameters import Called

COSTS = {cost.name: headings.of_metric(cost) for cost in metrics.COSTS}
"""Facts of the exported detector -> their headings."""

IDENTITY = ["setting", "family", "detector", "compression", "dataset", "variant", "row", "label", "study", "method"]
COUNTS = ["n", "missing", "failed"]
ORDER = ["detector", "dataset", "size", "setting", "block_at", "first", "place", "row"]


def variant_frame(results: Results) -> pd.DataFrame:
    """Every variant of a fixed row and the teachers above it, in the order of settings, blocks and the study."""
    found = [row for _, setting in results.rows.groupby("setting", sort=False) for row in _setting(results, setting)]
    if not found:
        return pd.DataFrame(columns=[*IDENTITY, "block", "unit", *COUNTS])
    table = pd.DataFrame(found)
    table.attrs["metrics"] = {(one.block, one.heading): one for one in results.metrics() if one.block}
    table["first"] = table["method"].map({name: at for at, name in enumerate(UNDISTILLED)}).fillna(len(UNDISTILLED))
    table["place"] = table["label"].map(results.places).fillna(0)
    return table.sort_values(ORDER, kind="stable").drop(columns=["size", "first", "place"]).reset_index(drop=True)


def switches_in(frame: pd.DataFrame) -> list[str]:
    """The symbols of the switches that the rows have, in the order in which their method declares them."""
    return [name.removeprefix("switch.") for name in frame.columns if name.startswith("switch.")]


def spread_in(row: dict[str, Any], name: str) -> Spread:
    """A spread out of a row of the frame."""
    return Spread(int(row[f"{name}_n"]), *(row[f"{name}_{field}"] for field in Spread._fields[1:]))


def _setting(results: Results, setting: pd.DataFrame) -> Iterator[dict[str, Any]]:
    own = setting[setting["method"] != "teacher"]
    if own.empty:
        return
    above = teachers_above(results.runs, own)
    student = own[(own["method"] == "student") & (own["status"] == "finished")]
    names = {key: called for key, called in results.names(own).items() if called.switch}
    blocks = blocks_of(results.metrics(own))
    for runs in (above, own):
        for _, variant in runs.groupby("variant", sort=False):
            teacher = teacher_of(variant, above) if runs is own else above.iloc[:0]
            identity = _identity(variant, own.iloc[0], names)
            for at, block in enumerate(blocks):
                row = identity | {"block": block.title, "block_at": at} | _measured(variant, student, teacher, block)
                yield row | _in_paper(variant.iloc[0].to_dict(), block)


def _identity(variant: pd.DataFrame, first: pd.Series, names: dict[str, Called]) -> dict[str, Any]:
    own = variant.iloc[0]
    row: dict[str, Any] = {name: first[name] for name in ("setting", "family", "detector", "compression", "dataset")}
    row |= {name: own[name] for name in ("variant", "row", "label", "study", "method")}
    row |= {"size": first["compression"]} | ({"compression": 1.0} if own["method"] == "teacher" else {})
    row |= {f"switch.{called.symbol}": flag(own.get(key)) for key, called in names.items()}
    finished = variant[variant["status"] == "finished"]
    row |= {"n": len(finished), "missing": len(variant) - len(finished)}
    row["failed"] = int((variant["status"] == "failed").sum())
    row["seeds"] = ", ".join(str(seed) for seed in sorted(set(finished["seed"].dropna().astype(int))))
    return row | {name: spread(_column(finished, f"facts.{name}")).mean for name in COSTS}


def _measured(variant: pd.DataFrame, student: pd.DataFrame, teacher: pd.DataFrame, block: Block) -> dict[str, Any]:
    finished = variant[variant["status"] == "finished"]
    row: dict[str, Any] = {"headline": None, "unit": ", ".join(dict.fromkeys(m.unit for m in block.metrics if m.unit))}
    for metric in block.metrics:
        row |= _fields(f"metrics.{metric.heading}", spread(_values(finished, metric)))
    gain, distance = spread(pd.Series(dtype=float)), float("nan")
    if headline := block.headline:
        row["headline"], sign = headline.heading, headline.sign
        distance = sign * (_values(finished, headline).mean() - _values(teacher, headline).mean())
        if variant["method"].iloc[0] not in UNDISTILLED:
            gain = spread(sign * paired_differences(finished, student, f"metrics.{headline.name}"))
    return row | _fields("gain", gain) | {"from_teacher": distance}


def _in_paper(run: dict[str, Any], block: Block) -> dict[str, Any]:
    nan = float("nan")
    printed = beside(run) or Printed({}, {}, ())
    row: dict[str, Any] = {f"paper.{metric.heading}": printed.values.get(metric.name, nan) for metric in block.metrics}
    row |= {f"paper.{name}": printed.values.get(name, nan) for name in COSTS}
    row |= {"paper_gain": nan, "paper_differs": ", ".join(printed.differs)}
    if (headline := block.headline) and run["method"] not in UNDISTILLED:
        values = [values.get(headline.name, nan) for values in (printed.values, printed.of_student)]
        row["paper_gain"] = round(headline.sign * (values[0] - values[1]), 1)
    return row


def _values(runs: pd.DataFrame, metric: Metric) -> pd.Series:
    return _column(runs, f"metrics.{metric.name}")


def _column(runs: pd.DataFrame, name: str) -> pd.Series:
    return pd.to_numeric(runs[name]) if name in runs else pd.Series(dtype=float)


def _fields(name: str, of: Spread) -> dict[str, float]:
    return {f"{name}_{field}": value for field, value in of._asdict().items()}
