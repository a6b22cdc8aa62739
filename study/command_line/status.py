"""`status`: how far studies are, from their folders alone, in another shell or on another machine."""

import json
from collections.abc import Iterator

from study.command_line.options import Folders, Json
from study.nouns.sizes import duration
from study.planning.mirror import as_it_is_now
from study.planning.standing import Row, Standing, standing

COUNTS = ("planned", "finished", "failed", "pruned", "open")


def status(folders: Folders, as_json: Json = False) -> None:
    """How far studies are: driver, rows, verdicts, time spent and left; without Ray, also while they run."""
    found = [standing(as_it_is_now(folder)) for folder in folders]
    if as_json:
        print(
            json.dumps([{**one.model_dump(mode="json"), "driver_text": one.driver.text()} for one in found], indent=1)
        )
        return
    print("\n\n".join("\n".join(_lines(one)) for one in found))


def _lines(one: Standing) -> Iterator[str]:
    yield f"{one.study}: {one.driver.text()}"
    wide = max((len(row.name) for row in one.rows), default=0)
    yield f"{'row':{wide}}  " + "  ".join(f"{what:>8}" for what in COUNTS) + "  seeds"
    for row in one.rows:
        yield f"{row.name:{wide}}  " + "  ".join(f"{getattr(row, what):>8}" for what in COUNTS) + f"  {_seeds(row)}"
    yield from (f"{claim.claim}: {claim.verdict}" for claim in one.verdicts)
    last = "no run has ended" if one.last_record_s is None else f"the last run ended {duration(one.last_record_s)} ago"
    left = f", about {duration(one.left_s)} left at this pace" if one.left_s else ""
    over = one.count("planned") - one.count("open")
    yield f"{over} of {one.count('planned')} runs are over, {last}; {duration(one.spent_s)} spent{left}"


def _seeds(row: Row) -> str:
    return "; ".join(f"{how} {', '.join(map(str, seeds))}" for how, seeds in sorted(row.seeds.items()))
