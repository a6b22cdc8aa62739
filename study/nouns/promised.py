"""What a study has promised to run: the runs that are known by now, and how many of each kind there will be."""

from collections import Counter
from typing import Literal

from pydantic import Field

from study.nouns.config import TrialConfig
from study.nouns.frozen import Frozen

Role = Literal["teacher", "row", "tuning", "search", "confirmation"]
"""Why a run was made: a teacher, a fixed row, a choice of a row's weight, a suggestion of the search, or a repetition
of one that the search found."""


class PlannedRun(Frozen):
    """One run, why it is made, and the row of the study that asks for it."""

    role: Role = "row"
    label: str = Field(description="the row's own name; tuning runs carry the name of the row that they tune")
    config: TrialConfig
    wave: int | None = Field(
        None, ge=1, description="in a study that makes claims: with which wave a row's run started"
    )
    final: bool = Field(True, description="false: its weight is still to be chosen, so that no record is its result")


class Promise(Frozen):
    """So many runs will be made that Optuna chooses, around one run that is known."""

    role: Role
    label: str
    runs: int = Field(ge=0, description="of this role and label in all, those that are known included")
    around: TrialConfig = Field(description="the resolved run that they vary")


class Plan(Frozen):
    """Everything that a study has promised. Its runs are those of its report, whichever study they were made for."""

    runs: tuple[PlannedRun, ...] = ()
    """Rows, the teachers that they need, and the tuned and searched runs that are known by now, each key once."""
    promised: tuple[Promise, ...] = ()
    """Tuning runs (one promise per tuned row) and the search's runs, the known ones included."""

    def unasked(self) -> list[Promise]:
        """What was promised and nobody has asked for yet, with the number of such runs."""
        known = Counter((run.role, run.label) for run in self.runs)
        return [
            promise.model_copy(update={"runs": promise.runs - asked})
            for promise in self.promised
            if (asked := known[promise.role, promise.label]) < promise.runs
        ]
