"""`plan`: its options, and what is done about them: loaded only when it is called."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from study.command_line.options import Anywhere, Data, Json, Set, Simulated
from study.nouns.spec import StudySpec
from study.nouns.study_in_store import files_at
from study.planning.offered import Offered, Parameters


def plan_of(asked: Callable[..., tuple[StudySpec, Offered, Parameters]]) -> Callable[..., None]:
    """The command, which knows no trainables.

    Args:
        asked: the study that options ask for, and what the trainables know.
    """

    def plan(
        study: Annotated[str, typer.Argument(help="A study's name (see `list`), or a YAML file.")],
        set_: Set = [],  # noqa: B006  typer reads the default, nobody changes it
        data: Data = None,
        simulated: Simulated = False,
        results: Anywhere = Path("results"),
        name: Annotated[str | None, typer.Option(help="Results are kept under this name.")] = None,
        seeds: Annotated[str | None, typer.Option(help="Seeds of every row, e.g. 0,1,2.")] = None,
        rows: Annotated[str, typer.Option(help="Only these rows, e.g. student,LD.")] = "",
        price: Annotated[float | None, typer.Option(min=0, metavar="PER_DEVICE_HOUR", help="Of a device.")] = None,
        as_json: Json = False,
    ) -> None:
        """Tell what a study takes: runs, device-hours, disk, a price, the power of its claims. Starts nothing."""
        from study.command_line.forecasting import tell  # here, as they take a while to load
        from study.planning.mirror import readable
        from study.planning.preview import preview
        from study.planning.study_state import StudyState

        spec, offered, parameters = asked(study, set_, data, simulated, name, seeds)
        only = [label.strip() for label in rows.split(",")] if rows else []
        list(preview(spec, offered, only))  # refuses what cannot be run
        files = readable(files_at(results, spec.name))
        words = [study, *(word for change in set_ for word in ("--set", change)), "--results", str(results)]
        words += ["--data", str(data)] if data else ["--simulated"] if simulated else []
        tell(spec, StudyState(spec, offered, files, only), parameters, words, price, as_json)

    return plan
