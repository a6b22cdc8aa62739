"""`clean`: says what may go of the results, and deletes it where that is asked for."""

from pathlib import Path
from typing import Annotated

import typer

from study.command_line.options import Results
from study.nouns.records import StudyFiles
from study.nouns.sizes import spelled
from study.planning.removable import no_driver, removable
from study.planning.studies_below import EVERY, of_folder, studies_below


def clean(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A study's folder; by default all results.")
    ] = None,
    results: Results = Path("results"),
    yes: Annotated[bool, typer.Option("--yes", help="Delete what is listed.")] = False,
) -> None:
    """List what may go: Tune's scratch, records set aside, checkpoints of runs that are over; --yes deletes it."""
    asked = None if folder is None else of_folder(folder)
    every = studies_below(results if asked is None else asked.results)
    with no_driver(every) as held:
        for files in held.busy:
            if asked is None or files.root == asked.root:
                print(f"kept: {files.root}: another process is running this study")
        of_asked = [files for files in every if asked is None or files.root == asked.root]
        found = list(removable(of_asked, held, StudyFiles(results, EVERY) if asked is None else None))
        for one in found:
            print(f"{spelled(one.size):>9}  {one.path}  ({one.why})")
        said = f"{len(found)} to delete, {spelled(sum(one.size for one in found))} in all"
        if not yes or not found:
            print(f"{said}; nothing was deleted: --yes deletes them" if found else "nothing to delete")
            return
        gone = [one for one in found if one.remove()]
    print(f"{said}; deleted {len(gone)}, {spelled(sum(one.size for one in gone))}")
