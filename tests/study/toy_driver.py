"""A launch without Ray: starts what the planner says, as far as there is room, and ends it as told."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from toy_study import DECLARED, METRIC, OFFERED, toy

from study.nouns.assignment import Assignment
from study.nouns.records import RunRecord, StudyFiles
from study.planning.planner import Planner
from study.planning.study_state import StudyState

STUDENT = {"label": "student", "set": {"method": "student"}}
POINTS = [STUDENT, *({"label": f"N {n}", "set": {"parameters.samples": n}} for n in (100, 200, 300))]
DEMANDING = {
    "method": "pointdistiller", "training": {"epochs": 2}, "teacher": {"training": {"epochs": 2}, "minimum": 60}
}  # fmt: skip
"""A base run whose teacher must reach 60."""


class Driver:
    """Starts what the planner says, as far as there is room, and ends it as told."""

    def __init__(
        self,
        results: Path,
        *,
        name: str = "toy",
        force: bool = False,
        places: int = 1,
        only: Sequence[str] = (),
        **changes: Any,
    ) -> None:
        self.files = StudyFiles(results, name)
        self.state = StudyState(toy(**{"points": POINTS, "name": name, **changes}), OFFERED, self.files, only)
        self.state.read()
        self.state.begin(lambda line: None)
        self.said: list[str] = []
        self.promised: list[int] = []
        self.given_up: list[tuple[str, str]] = []
        self.planner = Planner(
            self.state, force=force, say=self.said.append,
            given_up=lambda one, reason: self.given_up.append((one.label, reason)),
            promised=self.promised.append, places=lambda: places,
        )  # fmt: skip

    def next(self, teachers: int = 1, students: int = 1) -> list[Assignment]:
        return self.planner.next({"teacher": teachers, "student": students}.__getitem__)

    def end(
        self,
        runs: Iterable[Assignment],
        status: str = "finished",
        value: float | Callable[[Assignment], float] = 50.0,
        recorded: bool = True,
        diverged: bool = False,
    ) -> None:
        """The runs are over, with a record of each or with none."""
        runs = list(runs)
        for config, files, label, role, *_ in runs if recorded else []:
            files.run(config.key).mkdir(parents=True, exist_ok=True)
            files.checkpoint(config.key).touch()
            reached = value(Assignment(config, files, label, role)) if callable(value) else value
            result: dict[str, Any] = {"status": status, "metrics": {METRIC: reached}, "declared": DECLARED}
            result |= {"error": "it broke", "diverged": diverged} if status == "failed" else {}
            files.write(RunRecord(key=config.key, study=files.study, label=label, role=role, config=config, **result))
        self.planner.ended(one.config.key for one in runs)


def names(runs: Iterable[Assignment]) -> list[str]:
    return [f"{one.label} {one.config.seed}" for one in runs]


def taught(driver: Driver) -> Driver:
    """The teacher is there."""
    driver.end(driver.next())
    return driver
