"""A made-up study in memory and on disk, for every test of this room."""

from pathlib import Path

import made_up_study
import pytest

from analysis.results import Results, tidy


@pytest.fixture
def full() -> Results:
    """Five fixed rows on two seeds (one failed), twelve search runs (one failed), the teacher."""
    asked = made_up_study.spec()
    return tidy((asked,), made_up_study.records(asked))


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    """The same study as files."""
    asked = made_up_study.spec()
    return made_up_study.write(tmp_path / "results", asked, made_up_study.records(asked))
