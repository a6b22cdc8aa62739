"""What a study has promised to run: the runs that are known by now, and how many of each kind there will be."""

from collections import Counter
from collections.abc import Iterable
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


class Promise(Frozen):
    """So many runs will be made that Optuna chooses, around one run that is known."""

    role: Role
    label: str
    runs: int = Field(ge=0, description="of this role and label in all, those that are recorded included")
    around: TrialConfig = Field(description="the resolved run that they vary")


class Plan(Frozen):
    """Everything that a study has promised."""

    runs: tuple[PlannedRun, ...] = ()
    """Rows, the teachers that they need, and the tuning runs that are known by now, under their final keys."""
    promised: tuple[Promise, ...] = ()
    """Tuning runs (one promise per tuned row) and the search's runs, the known ones included."""

    def unasked(self, recorded: Iterable[tuple[str, str]]) -> list[Promise]:
        """What was promised and nobody has asked for yet, with the number of such runs.

        Args:
            recorded: role and label of every record of the study.
        """
        records, known = Counter(recorded), Counter((run.role, run.label) for run in self.runs)
        return [
            promise.model_copy(update={"runs": promise.runs - asked})
            for promise in self.promised
            if (asked := max(records[promise.role, promise.label], known[promise.role, promise.label])) < promise.runs
        ]
