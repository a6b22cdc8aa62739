"""Which searched values mattered: Optuna's PED-ANOVA over the finished trials, resampled to say how sure that is.

PED-ANOVA sets where the best trials lie against where all lie, value by value. It needs a few best ones: the best tenth
is taken, and of few trials at least five. Of several objectives the best are those on the front or nearest to it.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.nouns.importances import FEWEST, Importance, Importances

RESAMPLES = 200
BEST, FEWEST_BEST = 0.1, 5


def rate(study: optuna.Study) -> Importances:
    """The importance of every value of a search's finished trials: median and 95 % interval over resamples of them.

    Within a resample importances sum to one. A value with a condition is rated on the trials that had it.
    """
    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    had = {key: sum(key in trial.params for trial in trials) for key in sorted({k for t in trials for k in t.params})}
    if len(trials) < FEWEST:
        return Importances(trials=len(trials), best=0, values=tuple(Importance(key=k, n=n) for k, n in had.items()))
    best = max(FEWEST_BEST, math.ceil(BEST * len(trials)))
    rng = np.random.default_rng(0)
    resamples = [
        _shares([trials[at] for at in rng.integers(len(trials), size=len(trials))], study.directions, best)
        for _ in range(RESAMPLES)
    ]
    values = []
    for key, n in had.items():
        low, median, high = np.quantile([shares.get(key, 0.0) for shares in resamples], [0.025, 0.5, 0.975])
        values.append(Importance(key=key, median=median, low=low, high=high, n=n))
    values.sort(key=lambda value: (-(value.median or 0.0), value.key))
    return Importances(trials=len(trials), best=best, values=tuple(values))


def _shares(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection], best: int) -> dict[str, float]:
    resampled = optuna.create_study(directions=directions)
    resampled.add_trials(trials)
    evaluator = PedAnovaImportanceEvaluator(target_quantile=best / len(trials))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a value is in few trials: its interval says so
        return get_param_importances(resampled, evaluator=evaluator)
