"""What a study will take: runs by row, time as earlier runs took it, disk, and the power of its claims."""

import pytest
from toy_study import OFFERED, claiming, curve_to, resolve, toy

from study.command_line.forecasting import as_document, lines, measuring
from study.evidence.power import power_of, seeds_for
from study.nouns.config import DetectorConfig
from study.nouns.errors import InputError
from study.nouns.records import RunRecord, StudyFiles
from study.planning.forecast import Forecast, forecast
from study.planning.plan import expand
from study.planning.study_state import StudyState


def parameters(detector: DetectorConfig, teacher: bool) -> float:
    return 4.0 if teacher else 4.0 / detector.compression


def of(spec, files: StudyFiles, only=()) -> Forecast:
    return forecast(StudyState(spec, OFFERED, files, only), parameters)


def keep(files: StudyFiles, config, seconds: float) -> None:
    """A finished run of so many seconds per epoch, and a detector of 1 MB."""
    epochs = [epoch.model_copy(update={"seconds": seconds}) for epoch in curve_to(40, config.training.epochs)]
    files.run(config.key).mkdir(parents=True, exist_ok=True)
    files.checkpoint(config.key).write_bytes(bytes(1_000_000))
    files.write(
        RunRecord(
            key=config.key, study="earlier", config=config, status="finished", epochs=tuple(epochs), device="a GPU"
        )
    )  # fmt: skip


@pytest.fixture
def files(tmp_path) -> StudyFiles:
    return StudyFiles(tmp_path, "toy")


def test_without_records_runs_are_counted_and_time_is_not_guessed(files):
    found = of(toy(search={"trials": 5}), files)
    assert [(one.label, one.role, one.runs, one.done, one.hours) for one in found.groups] == [
        ("student", "row", 2, 0, None),
        ("LD + RL", "row", 2, 0, None),
        ("teacher", "teacher", 1, 0, None),
        ("search", "search", 5, 0, None),
    ]
    assert not list(files.results.iterdir()), "nothing is written"


def test_disk_is_estimated_from_parameters_until_a_run_of_that_detector_tells(files):
    spec = toy()
    student, _, teacher = of(spec, files).groups
    assert student.disk == 2 * (4 * 1_000_000 + 50_000)
    assert teacher.disk == 4 * 4_000_000 + 50_000
    assert teacher.checkpoint == 3 * 4 * 4_000_000
    keep(files, expand(spec, resolve)[0].config, 1.0)
    student, other, _ = of(spec, files).groups
    assert (student.runs, student.done) == (2, 1)
    assert student.disk == pytest.approx(1_000_000, rel=0.01)
    assert other.disk == pytest.approx(2_000_000, rel=0.01), "the same detector, whatever trained it"


def test_time_is_that_of_earlier_runs_of_the_kind_whatever_their_number_of_epochs(files):
    spec = toy()
    earlier = expand(toy(base=spec.base.model_copy(update={"training": spec.base.training.model_copy(
        update={"epochs": 1})})), resolve)  # fmt: skip
    keep(files, earlier[0].config, 1800.0)
    found = of(spec, files)
    assert [one.hours for one in found.groups] == [2 * 2 * 0.5, None, None]
    assert (found.devices, found.records) == (("a GPU",), 1)
    half = toy(budget={"gpus_per_trial": 0.5, "teacher_cpus": 1})
    assert of(half, files).groups[0].hours == 1.0, "two runs share a device"
    compressed = toy(points=[{"label": "small", "set": {"method": "student", "detector.compression": 16}}])
    assert of(compressed, files).groups[0].hours is None, "of another kind"


def test_further_seeds_are_told_apart_from_what_is_run_first(files):
    found = of(claiming(), files)
    assert [(one.label, one.runs) for one in found.groups if one.role == "row"] == [
        (f"N {n}", 2) for n in (400, 645, 1033)
    ]
    assert [(one.label, one.runs) for one in found.further] == [(f"N {n}", 7) for n in (400, 645, 1033)]


def test_rows_that_are_asked_for_come_with_their_teacher_only(files):
    assert [one.label for one in of(toy(), files, ["student"]).groups] == ["student"]
    assert [one.label for one in of(toy(), files, ["LD + RL"]).groups] == ["LD + RL", "teacher"]


def test_the_power_of_claims_is_that_of_one_and_half_a_tolerance_until_noise_was_measured(files):
    found = of(claiming(), files)
    first = found.claims[0]
    assert [(one.noise, one.measured) for one in found.claims[:2]] == [(0.5, False), (0.25, False)]
    assert first.power == power_of(1.0, first.level, 9)
    same = next(one for one in found.claims if one.claim == claiming().claims[3].text())
    assert same.power > first.power, "within 2 is four tolerances"
    for seeds in (5, 9):
        assert (power_of(1.0, first.level, seeds) >= 0.9) == (seeds >= seeds_for(1.0, first.level))
    assert power_of(1.0, 0.05, 1) == 0.0


def test_another_study_in_its_folder_is_refused_as_run_refuses_it(files):
    state = StudyState(toy(), OFFERED, files)
    files.write_plan(state.plan())
    files.write_study(state.spec)
    with pytest.raises(InputError, match="--resume needs the same study"):
        of(toy(seeds=[0]), files)


def test_it_is_told_with_a_price_and_the_command_that_measures_what_is_not_known(files):
    spec = toy()
    keep(files, expand(spec, resolve)[0].config, 3600.0)
    found = of(spec, files)
    command = measuring(found, spec, ["toy.yaml"])
    assert command is not None
    assert command.startswith("python run_study.py run toy.yaml --name timing --seeds 0 --rows 'LD + RL' --set")
    text = "\n".join(lines(found, files, command, 2.5))
    assert "left: 4 runs, device-hours 2.00 + ?, 5.00 at 2.5 an hour and what is not known" in text
    assert "time per epoch as in 1 earlier runs of the same kinds, on a GPU" in text
    assert '"price": 5.0' in as_document(found, command, 2.5)
    for run in expand(spec, resolve):
        keep(files, run.config, 3600.0)
    keep(files, resolve(expand(spec, resolve)[2].config.teacher_run()), 3600.0)
    assert measuring(of(spec, files), spec, ["toy.yaml"]) is None
    assert "left: 0 runs, device-hours 0.00, 0.00 at 2.5 an hour" in "\n".join(lines(of(spec, files), files, None, 2.5))
