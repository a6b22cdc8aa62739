"""`stop`: asks the driver of a study, from another shell or machine, to end after the epochs under way."""

import time
from typing import Annotated, Any

import typer

from study.command_line.options import anywhere
from study.nouns.errors import ExitStatus
from study.planning.mirror import as_it_is_now
from study.planning.standing import driver_of, standing

LOOK_S = 0.5


def stop(
    folder: Annotated[
        Any, typer.Argument(parser=anywhere, metavar="DIR", help="A study's folder, e.g. results/quickstart, or URL.")
    ],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the driver has gone.")] = True,
    minutes: Annotated[float, typer.Option(min=0, help="How long to wait at most.")] = 60.0,
) -> None:
    """End a study after the epochs under way; `run ... --resume` goes on from there."""
    files = as_it_is_now(folder)
    driver = standing(files).driver
    if driver.gone:
        print(f"{files.study}: {driver.text()}; nothing to stop")
        return
    files.ask_to_stop()
    print(f"{files.study}: {driver.text()}; asked to end after the epochs under way")
    give_up = time.monotonic() + minutes * 60
    while wait and not driver_of(files).gone:
        if time.monotonic() > give_up:
            print(
                f"{files.study}: it has not gone within {minutes:g} minutes, and still ends after the epochs under way"
            )
            raise typer.Exit(ExitStatus.STOPPED_EARLY)
        time.sleep(LOOK_S)
    if wait:
        print(f"{files.study}: stopped; `run_study.py run ... --resume` goes on")
