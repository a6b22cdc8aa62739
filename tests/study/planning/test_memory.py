"""How much memory a cohort will take: as earlier runs say, as the study says, or as a guess that fits the nodes."""

from toy_study import toy

from study.nouns.overrides import override
from study.nouns.records import RunRecord, StudyFiles
from study.planning.cohorts import MOST
from study.planning.memory import FACT, GIB, Memory, memory
from study.planning.plan import expand

NODE = 16 * GIB


def runs(**changes):
    return [run.config for run in expand(toy(seeds=[0]), lambda config: override(config, changes))]


def keep(files: StudyFiles, config, cohort: int, mib: float) -> None:
    """A finished run whose process took so much."""
    facts = {FACT: mib, "cohort": float(cohort)}
    files.run(config.key).mkdir(parents=True)
    files.checkpoint(config.key).touch()
    files.write(RunRecord(key=config.key, study="earlier", config=config, status="finished", facts=facts))


def of_cohorts(known: Memory, *sizes: int) -> list[float]:
    return [known.of(runs()[:1] * size) / 2**20 for size in sizes]


def test_what_the_study_says_is_taken_as_it_is(tmp_path):
    said = memory(3, StudyFiles(tmp_path, "toy"), NODE)
    assert of_cohorts(said, 1, 16) == [3072, 3072]
    assert of_cohorts(memory(0, StudyFiles(tmp_path, "toy"), NODE), 1) == [0]


def test_a_run_that_nobody_has_run_yet_is_guessed_and_never_beyond_the_largest_node(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    assert of_cohorts(memory(None, files, NODE), 1, 8, 16) == [2048, 2048, 4096]
    assert of_cohorts(memory(None, files, GIB), 1, 16) == [1024, 1024]


def test_nothing_is_planned_where_a_node_that_could_be_started_does_not_tell_its_memory(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    keep(files, runs()[0], 1, 5000)
    assert of_cohorts(memory(None, files, 0), 1) == [0]


def test_earlier_cohorts_of_the_nearest_size_tell_with_a_fifth_more_in_halves_of_a_gib(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    keep(files, runs()[0], 1, 1600)
    keep(files, runs(seed=7)[0], 1, 1000)
    keep(files, runs(seed=8)[0], 4, 3600)
    known = memory(None, files, NODE)
    assert of_cohorts(known, 1, 4) == [2048, 4608], "1600 and 3600 MiB, and a fifth more"
    assert of_cohorts(known, 8) == [8192], "3600 MiB, 750 for each of four more, and a fifth more"


def test_runs_of_another_detector_tell_nothing(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    keep(files, runs(**{"detector.compression": 16})[0], 1, 9000)
    assert of_cohorts(memory(None, files, NODE), 1) == of_cohorts(
        memory(None, StudyFiles(tmp_path / "0", "toy"), NODE), 1
    )


def test_no_more_runs_train_together_than_the_largest_node_holds(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    keep(files, runs()[0], 1, 1600)
    few = memory(None, files, 4 * GIB).together(runs()[:1])
    assert 1 < few < MOST
    assert (
        of_cohorts(memory(None, files, 4 * GIB), few)[0] <= 4096 < of_cohorts(memory(None, files, 4 * GIB), few + 1)[0]
    )
    assert memory(None, files, GIB).together(runs()[:1]) == 1
