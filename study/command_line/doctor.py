"""`doctor`: what is said of machines before a study starts, one line for each check and node."""

import json
from collections.abc import Iterable
from typing import Any

import typer

from study.nouns.errors import ExitStatus


def tell(findings: Iterable[Any], as_json: bool) -> None:
    """Print what was found, as it is found (study/driver/node_checks.py says what a finding is).

    Raises:
        typer.Exit: with status 1, as something is wrong.
    """
    found = []
    for one in findings:
        found.append(one)
        if not as_json:
            print(f"{'ok   ' if one.ok else 'WRONG'}  {one.node}: {one.check}: {one.said}")
    wrong = [one for one in found if not one.ok]
    if as_json:
        print(json.dumps({"ok": not wrong, "findings": [one.model_dump(mode="json") for one in found]}, indent=1))
    else:
        print(f"{len(wrong)} of {len(found)} checks are wrong" if wrong else "all is well")
    if wrong:
        raise typer.Exit(ExitStatus.RUNS_FAILED)
