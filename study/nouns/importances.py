"""How much each searched value matters to a search, with its uncertainty: written beside a study, read by reports."""

from pathlib import Path

from pydantic import Field, ValidationError

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.records import write_json

FEWEST = 10
"""Below so many finished trials nothing is rated."""


class Importance(Frozen):
    """The share of one value in what a search found, resampled over its trials; null where there are too few."""

    key: str = Field(description="dotted, as in the space of the search")
    median: float | None = None
    low: float | None = Field(None, description="of the 95 % interval")
    high: float | None = None
    n: int = Field(description="finished trials that had the value")


class Importances(Frozen):
    """Of every searched value, the most important first."""

    trials: int = Field(description="finished trials")
    best: int = Field(description="of them, the best that all were set against")
    values: tuple[Importance, ...]

    def write(self, path: Path) -> None:
        """Keep them."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> "Importances | None":
        """What was kept; None before the end of the first launch.

        Raises:
            InputError: the file holds something else.
        """
        if not path.exists():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InputError(f"{path}: not the importances of a search: {error.errors()[0]['msg']}") from None
