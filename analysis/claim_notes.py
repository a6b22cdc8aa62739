"""What a reader must know of a study's verdicts: how noisy runs are, what the study took, and what it does not say."""

from collections.abc import Iterator

from analysis.results import Results
from analysis.wording import count, listed, number
from study.evidence.best_set import BestSet
from study.evidence.statements import Answer, Answers, Noise
from study.evidence.verdicts import Word
from study.nouns.claims import pools


def notes(results: Results) -> list[str]:
    """Sentences on the claims of every study that makes some, and on all of them."""
    said = []
    for study in results.studies:
        told = study.answers.get(study.specs[0].name)
        if told is not None:
            prefix = f"{study.specs[0].name}: " if len(results.answers) > 1 else ""
            said += [prefix + text for text in _of_study(study, told)]
    return [*said, *_limits(results)] if said else []


def share(part: float) -> str:
    """A share in percent, as few digits as tell it: 5 %."""
    return f"{100 * part:.2g} %"


def _of_study(study: Results, told: Answers) -> Iterator[str]:
    if not told.waves:
        yield "The first wave of runs is not over yet, so nothing is known of the claims."
        return
    for noise in told.noise:
        yield from _noise(study, noise, several=len(told.noise) > 1)
    yield (
        f"{count(told.runs, 'run')} of rows answered {count(len(told.claims), 'claim')} as far as is said here"
        f"{_grid(told)}."
    )
    if wanting := [text for answer in told.claims if (text := _wants(answer, told))]:
        yield f"What is undecided: {'; '.join(wanting)}."
    for best in told.best:
        yield _best(best, told.alpha)
    noise_of = "noise that is pooled over rows" if _pooled(study) else "the noise of few seeds"
    more = "; exploratory ones share as much again" if any(answer.claim.exploratory for answer in told.claims) else ""
    yield (
        f"The chance that any verdict is wrong is at most {share(told.alpha)} over all claims and all looks, however "
        f"the study stopped{more}. In simulations {noise_of} raised it to {share(1.2 * told.alpha)} at worst."
    )


def _noise(study: Results, noise: Noise, several: bool) -> Iterator[str]:
    where = f"Among {listed(list(noise.rows))}, the" if several else "The"
    if noise.sd_of_differences is None:
        yield f"{where} noise is not known yet: it takes two rows with two seeds in common."
        return
    unit = f" ({study.metric.unit})" if study.metric.unit else ""
    yield (
        f"{where} difference of two rows on the same seed has a standard deviation of "
        f"{number(noise.sd_of_differences, 2)}{unit}, with {noise.df:.0f} degrees of freedom."
    )
    if noise.pairing is not None:
        where = f"Of {listed(list(noise.rows))}, rows" if several else "Rows"
        yield f"{where} that did not share seeds would take {noise.pairing:.1f} times the seeds."
    for row, ratio in noise.noisy_rows.items():
        leans = _pooled(study) and row not in study.specs[0].rule.own_noise
        risk = ": its claims may err more often than is said here, unless a new study names it in rule.own_noise"
        yield f"The runs of {row} are noisy, with {ratio:.1f} times the variance of all rows{risk if leans else ''}."


def _best(best: BestSet, alpha: float) -> str:
    among = f"{count(len(best.rows), 'row')} of one setting"
    error = f"at an error of {share(alpha)} of its own, over all looks"
    if len(best.unbeaten) == len(best.rows):
        return f"Any of {among} may be the best: none is beaten by another, {error}."
    verb = "is" if len(best.unbeaten) == 1 else "are"
    return f"Of {among}, {listed(list(best.unbeaten))} {verb} beaten by no other, {error}: the best is among them."


def _pooled(study: Results) -> bool:
    """Whether the noise of a row leans on that of the others."""
    return pools(study.specs[0].claims)


def _grid(told: Answers) -> str:
    if told.grid_runs is None:
        return ""
    tolerance = min(answer.claim.tolerance for answer in told.claims)
    return (
        f"; a grid of all rows on the same seeds that shows a difference of {tolerance:g}, the tolerance, with a "
        f"chance of 90 % at this noise and error takes {told.grid_seeds} seeds of each row, {told.grid_runs} runs"
    )


def _wants(answer: Answer, told: Answers) -> str | None:
    """What an undecided claim would need."""
    if answer.verdict is not Word.UNDECIDED or not answer.differences[answer.deciding].looks or answer.cannot:
        return None
    if answer.seeds_needed is None:
        return f"no number of seeds would answer “{answer.text}” if its means stayed"
    beyond = f", beyond the {told.cap} of this study" if answer.seeds_needed > told.cap else ""
    return f"“{answer.text}” would take about {answer.seeds_needed} seeds if its means stayed{beyond}"


def _limits(results: Results) -> Iterator[str]:
    words = {answer.verdict for told in results.answers.values() for answer in told.claims}
    if Word.SUPPORTED in words:
        yield (
            "A gain that is supported just past its threshold is overstated: the intervals hold for claims as they "
            "were stated, not among the supported ones alone."
        )
    yield "Training and validation frames are fixed: all this is about the noise of training, not about new scenes."
    yield "Intervals in other parts of this page are each for themselves, not corrected for many comparisons."
