"""The studies that can be asked for by name. A function's name is the study's name; its first line is the question.

A study of one's own is a YAML file with the fields of `StudySpec` (`run_study.py run my_study.yaml`), or one more
function in one of the files below and in STUDIES.
"""

from collections.abc import Callable
from pathlib import Path

import yaml

from study.kitti_studies import (
    ablation,
    comparison,
    compression,
    quick_comparison,
    quick_search,
    quickstart,
    search,
    sensitivity,
)
from study.nouns.errors import InputError, unknown_name
from study.nouns.overrides import validated
from study.nouns.spec import StudySpec
from study.nuscenes_studies import nuscenes, quick_nuscenes, rdd

STUDIES: dict[str, Callable[[], StudySpec]] = {
    study.__name__: study
    for study in (
        quickstart, quick_search, quick_comparison, quick_nuscenes, ablation, sensitivity, search, comparison,
        compression, nuscenes, rdd,
    )
}  # fmt: skip


def get(name: str) -> StudySpec:
    """A study by its name, or from a YAML file with the fields of `StudySpec`.

    Raises:
        InputError: no study has that name, or the file is missing, not YAML, or not a study.
    """
    if name in STUDIES:
        return STUDIES[name]()
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        raise unknown_name("study", name, list(STUDIES))
    if not path.is_file():
        raise InputError(f"{path}: there is no such study file")
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({str(error).splitlines()[0]})") from None
    try:
        return validated(StudySpec, content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
