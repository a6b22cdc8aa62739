"""What `plan` prints: what a study would take before it starts, in words or as JSON."""

import json
import shlex
from collections.abc import Iterator, Sequence

from study.nouns.records import StudyFiles
from study.nouns.sizes import spelled
from study.nouns.spec import StudySpec
from study.planning.forecast import Forecast, Group, forecast
from study.planning.offered import Parameters
from study.planning.study_state import StudyState

UNKNOWN = "not known"


def tell(
    spec: StudySpec,
    state: StudyState,
    parameters: Parameters,
    asked: Sequence[str],
    price: float | None,
    as_json: bool,
) -> None:
    """Print what a study will take.

    Args:
        spec: the study.
        state: what is known of it.
        parameters: of a detector.
        asked: the study and the options that were given.
        price: of a device's hour.
        as_json: for programs.
    """
    found = forecast(state, parameters)
    measures = measuring(found, spec, asked)
    print(as_document(found, measures, price) if as_json else "\n".join(lines(found, state.files, measures, price)))


def as_document(found: Forecast, measures: str | None, price: float | None) -> str:
    """The forecast as JSON; the price is that of the hours that are known, without further seeds."""
    content = {**found.model_dump(mode="json"), "measuring": measures}
    if price is not None:
        content["price"] = sum(group.hours or 0.0 for group in found.groups) * price
    return json.dumps(content, indent=1)


def lines(found: Forecast, files: StudyFiles, measures: str | None, price: float | None) -> Iterator[str]:
    """What people read."""
    width = max(len(group.label) for group in found.groups)
    yield f"{found.study}: {sum(group.runs for group in found.groups)} runs, results below {files.results}"
    yield f"{'':{width}}  {'role':12} {'runs':>5} {'done':>5} {'left':>5} {'device-hours':>12} {'disk':>8}"
    for group in found.groups:
        hours = _hours([group]) if group.left else "0.00"
        counts = f"{group.runs:5} {group.done:5} {group.left:5} {hours:>12}"
        yield f"{group.label:{width}}  {group.role:12} {counts} {spelled(group.disk):>8}"
    left = [group for group in found.groups if group.left]
    yield f"left: {_total(left, price)}"
    if found.further:
        most = sum(group.runs for group in found.further)
        total = _total(found.further, price)
        yield f"and at most {most} runs on further seeds, as far as open claims need them: {total}"
    if found.records:
        yield f"time per epoch as in {found.records} earlier runs of the same kinds, on {', '.join(found.devices)}"
    if checkpoint := max((group.checkpoint for group in (*left, *found.further)), default=0):
        yield f"and about {spelled(checkpoint)} at most for the checkpoint of each run under way"
    if measures:
        yield "what is not known measures (with one epoch of each kind, which is validated; in a study of its own):"
        yield f"  {measures}"
    if found.claims:
        cap = found.claims[0].seeds
        yield f"power of a fixed grid of {cap} seeds, the cap, for each difference if it is just what is claimed:"
    for claim in dict.fromkeys(one.claim for one in found.claims):
        powers = [one for one in found.claims if one.claim == claim]
        told = [f"{one.power:.2f} at noise {one.noise:.2g}{' (measured)' * one.measured}" for one in powers]
        yield f"  {', '.join(told)}: {claim}"


def measuring(found: Forecast, spec: StudySpec, asked: Sequence[str]) -> str | None:
    """The command that trains one epoch of the rows of whose kind no record tells; None where all is known.

    Args:
        found: what is known.
        spec: the study.
        asked: the study and the options that were given.
    """
    open_ = [group for group in (*found.groups, *found.further) if group.left and group.hours is None]
    if not open_:
        return None
    labels = [point.label for point in spec.points]
    rows = list(dict.fromkeys(group.label for group in open_ if group.label in labels)) or labels
    words = ["python", "run_study.py", "run", *asked, "--name", "timing", "--seeds", str(spec.seeds[0])]
    words += ["--rows", ",".join(rows)] if rows else ["--set", "search.trials=1"]
    for change in ("claims=[]", "base.training.epochs=1", "base.teacher.training.epochs=1"):
        words += ["--set", change]
    if any(point.tune for point in spec.points if point.label in rows):
        words += ["--set", "tuning.trials=1", "--set", "tuning.finalists=0", "--set", "tuning.prune=null"]
    return shlex.join(words)


def _hours(groups: Sequence[Group]) -> str:
    known = [group.hours for group in groups if group.hours is not None]
    if len(known) == len(groups):
        return f"{sum(known):.2f}"
    return f"{sum(known):.2f} + ?" if known else UNKNOWN


def _total(groups: Sequence[Group], price: float | None) -> str:
    hours, runs, costs = _hours(groups), sum(group.left for group in groups), ""
    if price is not None and hours != UNKNOWN:
        open_ = any(group.hours is None for group in groups)
        known = sum(group.hours or 0.0 for group in groups) * price
        costs = f", {known:,.2f} at {price:g} an hour{' and what is not known' if open_ else ''}"
    return f"{runs} runs, device-hours {hours}{costs}, {spelled(sum(group.disk for group in groups))} of disk"
