"""A verdict in words: what was shown, by how much, with how many seeds, and what an open claim would take."""

from collections.abc import Mapping
from typing import Any, Protocol

from study.evidence.verdicts import Verdict, Word
from study.nouns.claims import Claim


class Estimated(Protocol):
    """A difference with its interval."""

    @property
    def n(self) -> int: ...
    @property
    def estimate(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def sentence(claim: Claim, verdict: Verdict, at: Estimated, undecided: Mapping[str, Any], cap: int) -> str:
    """One claim's verdict.

    Args:
        claim: what was claimed.
        verdict: what may be said.
        at: the difference that it hangs on.
        undecided: of an open claim: `given_up`, `chance`, `seeds_needed` and `cannot`.
        cap: the most seeds there are.
    """
    if at.estimate is None:
        text = f"undecided: {at.n} common {_plural('seed', at.n)} so far"
    else:
        numbers = f"{signed(at.estimate)} (95 % {signed(at.low)} to {signed(at.high)}, valid at any stop"
        text = f"{shown(claim, verdict.word)}: {numbers}; {at.n} {_plural('seed', at.n)})"
        if verdict.word is Word.UNDECIDED and not undecided.get("cannot"):
            text += f"; {_what_it_would_take(undecided, cap)}"
    if verdict.later is not None:
        text += f"; later {shown(claim, verdict.later)} too"
    if verdict.diverged:
        text += "; " + ", ".join(f"{n} {_plural('run', n)} of {row} diverged" for row, n in verdict.diverged.items())
    if cannot := undecided.get("cannot"):
        text += f", so {' and '.join(f'“{shown(claim, word)}”' for word in cannot)} cannot be said any more"
    return text


def shown(claim: Claim, word: Word) -> str:
    """What a verdict says of a claim; never that it is contradicted: less than its value may still be a gain."""
    same = claim.kind == "same"
    supported = f"all within {claim.within:g} shown" if same else f"more than {claim.gained - claim.tolerance:g} shown"
    less = (
        f"a difference above {claim.within - claim.tolerance:g} shown" if same else f"less than {claim.gained:g} shown"
    )
    return {
        Word.SUPPORTED: supported,
        Word.LESS: less,
        Word.BETWEEN: f"{supported}, {less}",
        Word.UNDECIDED: "undecided",
    }[word]


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "n/a" if value is None else f"{value:+.1f}".replace("-", "−")


def _what_it_would_take(undecided: Mapping[str, Any], cap: int) -> str:
    if undecided["given_up"]:
        return f"given up: {undecided['chance']:.0%} chance of an answer within {cap} seeds"
    if undecided["seeds_needed"] is None:
        return "no number of seeds would answer it if the means stayed"
    return f"about {undecided['seeds_needed']} seeds would answer it if the means stayed"


def _plural(thing: str, n: int) -> str:
    return thing if n == 1 else f"{thing}s"
