"""Optuna's samplers by their names, each made so that a search that was killed goes on without repeating itself.

Runs that are suggested together differ: TPE takes those under way for bad ones (its constant liar), the Gaussian
process expects of them what its model says, draws are independent, and a sequence has no point twice.
"""

import warnings

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from study.nouns.spec import SearchSpec
from study.planning.search_space import Space, distributions_of


def sampler_of(search: SearchSpec, seed: int, there: int) -> BaseSampler:
    """The sampler that a search asks for.

    Args:
        search: a completed search.
        seed: of the search.
        there: how many trials there are: a new sampler with the old seed would draw the same values again.
    """
    if search.sampler == "tpe":
        return TPESampler(seed=seed + there, n_startup_trials=search.startup, constant_liar=True)
    if search.sampler == "gp":
        return GPSampler(seed=seed + there, n_startup_trials=search.startup, warn_independent_sampling=False)
    if search.sampler == "random":
        return RandomSampler(seed=seed + there)
    assert search.space is not None, "a completed search has a space"
    return SobolSequence(search.space, seed)


def draws_left(search: SearchSpec, trials: int) -> int:
    """How many suggestions learn from nothing before them, where there are so many trials."""
    return max(0, search.startup - trials) if search.sampler in ("tpe", "gp") else search.trials


class SobolSequence(QMCSampler):
    """A scrambled Sobol sequence over the whole space; its place in it is kept in the study's journal.

    Optuna's own draws the first trial and every value with a condition at random, as it does not know the space, and
    takes a point off the sequence for a trial whose values are given, so that a search that was killed would skip some.
    """

    def __init__(self, space: Space, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(scramble=True, seed=seed)
        self._space = {key: one for key, one in distributions_of(space).items() if not one.single()}

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space; nothing for a trial whose values are given."""
        return {} if "fixed_params" in trial.system_attrs else self._space
