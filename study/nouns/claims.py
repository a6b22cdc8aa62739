"""What a study claims: which row is better than which, by how much, and by what rule it is decided.

A claim is two-sided without a middle: it is *supported* where more than `value - tolerance` is shown, and answered
*less* where less than `value` is shown. At most one of the two is wrong whatever is true, so each may use the claim's
whole share of the error. Everything here is frozen before the first run: what is decided may be looked at after every
seed, and the error holds.
"""

from collections.abc import Iterable, Iterator
from itertools import combinations, pairwise
from math import isclose
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from study.nouns.errors import InputError, unknown_name
from study.nouns.frozen import Frozen

Kind = Literal["gain", "best", "same", "teacher"]
POOLED_FROM = 5
"""So many claims are needed for noise to be pooled over rows; of fewer, each row's own differences decide."""


class Claim(Frozen):
    """One statement about the study's metric; better is always up, also where a metric is better small."""

    kind: Kind = Field(
        "gain",
        description="gain: row is better than over by value; best: than each of over; same: row is within `within` of "
        "each of over; teacher: row is better than its own teacher",
    )
    row: str = Field(description="label of the row that it is about")
    over: tuple[str, ...] = Field((), description="labels of the rows beside it; none for kind teacher")
    value: float | None = Field(
        None,
        description="the gain that is claimed, in the metric's unit; null is the tolerance, which is a gain at all",
    )
    within: float = Field(1.0, description="of kind same: differences below this do not matter")
    tolerance: float = Field(0.5, gt=0, description="what is supported is more than value minus this")
    weight: float | None = Field(
        None, gt=0, le=1, description="share of alpha; all claims say one, and they add up to 1, or all share alike"
    )
    published: float | None = Field(None, description="what the paper prints for it, to stand beside the estimate")
    source: str = Field("", description="where it prints it: Table 5")
    exploratory: bool = Field(
        False, description="stated after runs were seen: it is answered from what is there and asks for no run"
    )

    @model_validator(mode="after")
    def _says_something(self) -> "Claim":
        if self.kind == "teacher" and self.over:
            raise ValueError(f"a claim of kind teacher is about one row, got over={list(self.over)}")
        if self.kind == "gain" and len(self.over) != 1:
            raise ValueError(f"a claim of kind gain is over one row, got over={list(self.over)}; best is over several")
        if self.kind in ("best", "same") and not self.over:
            raise ValueError(f"a claim of kind {self.kind} is over one row or more, got none")
        if self.row in self.over or len(set(self.over)) < len(self.over):
            raise ValueError(f"the rows of a claim must differ, got row={self.row!r} and over={list(self.over)}")
        if self.kind == "same":
            if self.value is not None:
                raise ValueError("a claim of kind same has no value: within says how far apart its rows may be")
            if self.within < self.tolerance:
                raise ValueError(
                    f"within of a claim of kind same must be at least its tolerance, got {self.within:g} and "
                    f"{self.tolerance:g}"
                )
        elif self.value is not None and self.value < self.tolerance:
            wrong_way = "; to claim that it is worse, swap row and over" if self.value < 0 else "; lower the tolerance"
            raise ValueError(
                f"value must be at least the tolerance, or a loss would support the claim, got {self.value:g} with a "
                f"tolerance of {self.tolerance:g}{wrong_way}"
            )
        return self

    @property
    def gained(self) -> float:
        """The gain that is claimed."""
        return self.tolerance if self.value is None else self.value

    @property
    def rows(self) -> tuple[str, ...]:
        """Every row that is needed to decide it."""
        return (self.row, *self.over)

    @property
    def pairs(self) -> tuple[tuple[str, str | None], ...]:
        """The differences that decide it; None stands for the row's teacher."""
        return tuple((self.row, other) for other in self.over) or ((self.row, None),)

    def text(self) -> str:
        """The claim in words: `LD gains 2.5 over student`."""
        over = " and ".join(filter(None, [", ".join(self.over[:-1]), *self.over[-1:]]))
        if self.kind == "same":
            return f"{self.row} is within {self.within:g} of {over}"
        above = "its teacher" if self.kind == "teacher" else f"each of {', '.join(self.over)}"
        if self.kind == "gain":
            return f"{self.row} gains {self.gained:g} over {over}"
        return f"{self.row} is better than {above} by {self.gained:g}"


class Rule(Frozen):
    """How claims are decided: which error they may make together, at which numbers of seeds they are looked at."""

    alpha: float = Field(0.05, gt=0, lt=0.5, description="chance that any verdict is wrong, over all claims and looks")
    looks: tuple[int, ...] | None = Field(
        None,
        description="numbers of seeds at which a claim is looked at, the last all of them; null is every one from 2",
    )
    prior: float = Field(
        6.0, ge=0, description="degrees of freedom by which a pair's noise leans on that of all rows; 0 is not at all"
    )
    own_noise: tuple[str, ...] = Field(
        (), description="rows that are expected to be noisier than the others: their differences decide by themselves"
    )
    validations: int = Field(1, ge=1, description="a run's result is the mean over so many validations at its end")
    give_up_below: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="a claim whose chance of an answer within its seeds is lower waits, from 5 seeds on",
    )

    def looked_at(self, cap: int) -> tuple[int, ...]:
        """The numbers of seeds at which claims are looked at.

        Raises:
            ValueError: there are too few seeds, or the looks do not rise from 2 or more to all of them.
        """
        if cap < 2:
            raise ValueError(f"claims need at least two seeds, got {cap}: one seed shows no spread")
        looks = tuple(range(2, cap + 1)) if self.looks is None else self.looks
        if not looks or looks[0] < 2 or looks[-1] != cap or any(a >= b for a, b in pairwise(looks)):
            raise ValueError(f"rule.looks must rise from 2 or more to the {cap} seeds of the study, got {list(looks)}")
        return looks


class Leveled(NamedTuple):
    """A claim with the error that it may make on each of its two sides."""

    claim: Claim
    level: float


def pools(claims: Iterable[Claim]) -> bool:
    """Whether there are enough claims for their noise to be pooled over rows."""
    return sum(not claim.exploratory for claim in claims) >= POOLED_FROM


def leveled(claims: Iterable[Claim], rule: Rule) -> list[Leveled]:
    """Every claim with its share of alpha (Bonferroni). Exploratory ones share an alpha of their own."""
    claims = list(claims)
    counts = {later: sum(claim.exploratory is later for claim in claims) for later in (False, True)}
    return [Leveled(claim, rule.alpha * (claim.weight or 1 / counts[claim.exploratory])) for claim in claims]


def check(claims: Iterable[Claim], labels: list[str], rule: Rule) -> None:
    """Make sure that claims speak of rows that exist, share alpha, and do not contradict each other by form.

    Raises:
        InputError: one does; says which.
    """
    claims = list(claims)
    for claim in claims:
        for label in claim.rows:
            if label not in labels:
                raise unknown_name(f"row in the claim “{claim.text()}”,", label, labels)
    for label in rule.own_noise:
        if label not in labels:
            raise unknown_name("row in rule.own_noise,", label, labels)
    weights = [claim.weight for claim in claims if not claim.exploratory]
    if any(weights) and not (all(weights) and isclose(sum(filter(None, weights)), 1, rel_tol=1e-6)):
        raise InputError(f"weights of claims must be given for all and add up to 1, or for none, got {weights}")
    for one, other in combinations(claims, 2):
        if one.model_dump(include={"kind", "row", "over", "value", "within"}) == other.model_dump(
            include={"kind", "row", "over", "value", "within"}
        ):
            raise InputError(f"the claim “{one.text()}” is stated twice")
        if (pair := _contradiction(one, other)) is not None:
            raise InputError(
                f"the claims “{one.text()}” and “{other.text()}” contradict each other: of {pair[0]} and {pair[1]} "
                "both cannot hold"
            )


def _contradiction(one: Claim, other: Claim) -> tuple[str, str] | None:
    """A pair of rows for whose difference the two claims have no value in common."""
    for pair, low, high in _supported(one):
        for other_pair, other_low, other_high in _supported(other):
            if other_pair == pair and max(low, other_low) >= min(high, other_high):
                return pair
            if other_pair == pair[::-1] and max(low, -other_high) >= min(high, -other_low):
                return pair
    return None


def _supported(claim: Claim) -> Iterator[tuple[tuple[str, str], float, float]]:
    """Between which differences of each pair a claim is supported."""
    for row, over in claim.pairs:
        if over is not None:
            same = claim.kind == "same"
            low, high = (-claim.within, claim.within) if same else (claim.gained - claim.tolerance, float("inf"))
            yield (row, over), low, high
