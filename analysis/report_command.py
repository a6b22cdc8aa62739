"""What `run_study.py report` does: the page once, some of its tables and figures, or the page while studies run."""

import json
from collections.abc import Sequence
from pathlib import Path

from analysis import report, watching
from analysis.study_folders import load
from study.nouns.errors import InputError


def answer(
    folders: list[Path],
    into: Path | None = None,
    as_json: bool = False,
    only: Sequence[str] = (),
    watch: bool = False,
    every: int = 15,
) -> None:
    """Write what is asked for and print where it lies.

    Args:
        folders: of studies.
        into: where it goes; None: where `report.beside` says.
        as_json: print one JSON document, with what may be said of claims.
        only: these tables and figures, and no page.
        watch: again whenever a run has ended, until all have.
        every: seconds between two looks of `watch`.

    Raises:
        InputError: a folder is not a study's, a name is that of no table or figure, or these do not go together.
    """
    if watch and (only or as_json):
        raise InputError("--watch writes the whole page again and again: leave out --only and --json")
    place = into or report.beside(folders)
    if watch:
        print(f"report: {watching.watch(folders, place, every, print)}")
        return
    results = load(folders)
    if only:
        written = report.items(results, place, only)
        print(json.dumps({"files": list(map(str, written))}, indent=1) if as_json else "\n".join(map(str, written)))
        return
    page = report.lay_out(results, place)
    if not as_json:
        print(f"report: {page}")
        return
    files = {kind: [str(path) for path in sorted((page.parent / kind).iterdir())] for kind in ("tables", "figures")}
    claims = {name: answers.model_dump(mode="json") for name, answers in results.answers.items()}
    print(json.dumps({"report": str(page), **files, "claims": claims}, indent=1))
