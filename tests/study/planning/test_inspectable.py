"""Which runs of a study are inspected: those of a row, the one whose key begins so, or all that were not yet."""

import pytest

from study.nouns.errors import InputError
from study.nouns.records import StudyFiles
from study.planning.inspectable import chosen
from tests.analysis import made_up_study as made_up
from tests.analysis.planted_inspections import planted


@pytest.fixture
def files(tmp_path) -> StudyFiles:
    """A study whose row LD failed on its last seed; every finished run has a detector."""
    return made_up.with_detectors(tmp_path)


def test_a_label_stands_for_all_finished_seeds_of_the_row(files):
    assert [(one.label, one.config.seed) for one in chosen(files, ["LD"])] == [("LD", 0)]
    assert [one.config.seed for one in chosen(files, ["student", "student"])] == [0, 1]


def test_the_beginning_of_a_key_stands_for_its_run(files):
    (student, _) = chosen(files, ["student"])
    assert [one.key for one in chosen(files, [student.key[:8]])] == [student.key]


def test_without_names_every_run_is_meant_that_was_not_inspected(files):
    first, *others = chosen(files, [])
    planted(first.key).write(files.inspection_json(first.key))
    assert [one.key for one in chosen(files, [])] == [one.key for one in others]
    assert {one.label for one in others} > {"student", "LD + RL", "teacher"}
    assert [one.key for one in chosen(files, [first.key])] == [first.key], "by its name it is inspected again"


def test_a_run_that_is_unknown_unfinished_or_lost_is_refused_in_one_line(files):
    with pytest.raises(InputError, match=r"unknown run .studnet.\. Did you mean .student."):
        chosen(files, ["studnet"])
    failed = next(run.config.key for run in files.read_plan().runs if files.status(run.config.key) == "failed")
    with pytest.raises(InputError, match=f"the run {failed} failed: RuntimeError"):
        chosen(files, [failed])
    (student, _) = chosen(files, ["student"])
    files.checkpoint(student.key).unlink()
    with pytest.raises(InputError, match="has lost its detector"):
        chosen(files, [student.key])
    with pytest.raises(InputError, match=r"holds no study\.json"):
        chosen(StudyFiles(files.results, "nothing"), [])


def test_a_beginning_that_several_keys_share_is_refused(files):
    with pytest.raises(InputError, match="begins the keys of"):
        chosen(files, [""])


def test_a_pruned_run_is_refused_with_how_far_it_came(files):
    (student, _) = chosen(files, ["student"])
    files.write(student.model_copy(update={"status": "pruned", "epochs": student.epochs[:1]}))
    with pytest.raises(InputError, match=f"was pruned after 1 of {student.config.training.epochs} epochs"):
        chosen(files, [student.key])
