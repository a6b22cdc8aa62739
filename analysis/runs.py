"""Runs in Python: one tidy table of them, and all that tables and figures are made from.

    from analysis import runs
    table = runs.load("results/quickstart")       # a row per run
    results = runs.read("results/quickstart")     # what every `summarize` takes

`docs/analysis.md` shows both at work.
"""

from pathlib import Path

import pandas as pd

from analysis import study_folders
from analysis.results import Results


def load(*studies: str | Path) -> pd.DataFrame:
    """One row for every run of some studies, finished, failed, or promised and not yet run.

    What a column holds that a run lacks is missing (NaN or None).

        study, key          the study that is given first of those that asked for the run; the digest of its config
        label, row, role    what that study calls it; the same made to name one thing only; teacher, row, tuning,
                            search or confirmation
        method, seed        teacher, student or a distillation method; the seed of its training
        detector, compression, full_size, dataset
                            the detector's family, how many times smaller it is (1: the teacher), whether it is else
                            the published one, and the data set
        learning_rate, devices
                            what training was asked for; None is the detector's own rate
        status, error       finished, failed or not_run; the one line that says why it failed
        teacher_key         the key of the teacher it learns from
        family, setting, variant
                            digests: equal detector and data; besides equal compression and training; besides equal
                            method and parameters, so that runs of a variant differ in the seed only
        epochs_done, seconds, peak_memory_mb, host, device, started, commit
                            what it took, where, when and with which code
        parameters.<name>   the method's own, as in a study's YAML
        metrics.<name>      final results in their units, as declared by the data set
        facts.<name>        numbers about the run itself: gflops, params_m, steps, teacher/<metric>
        versions.<package>  what it ran with
        <dotted key>        any other value that a search varied

    Args:
        studies: folders that hold a study.json, such as results/quickstart.

    Raises:
        InputError: none is given, or a folder is not a study's.
    """
    return read(*studies).runs


def read(*studies: str | Path) -> Results:
    """All that is known of some studies: their runs, epochs, questions, declarations and verdicts.

    Args:
        studies: as for `load`.
    """
    return study_folders.load(map(Path, studies))
