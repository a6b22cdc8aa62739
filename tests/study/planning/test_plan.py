"""Points and seeds into runs, the teachers they need, the search space, the catalogue, and growing a study."""

import pytest
import yaml
from toy_study import CALLED, DECLARED, DEFAULTS, OFFERED, resolve, toy

from study import named_studies
from study.driver.progress import duration, name_of
from study.nouns.assignment import carry, compose
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.overrides import override
from study.nouns.promised import Plan, PlannedRun, Promise
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import Budget, StudySpec
from study.planning.missing import assign
from study.planning.plan import check_devices, expand, part_of, teachers, too_weak
from study.planning.preview import preview


def test_every_point_runs_for_every_seed():
    runs = expand(toy(), resolve)
    assert [(run.label, run.config.seed) for run in runs] == [
        ("student", 0),
        ("student", 1),
        ("LD + RL", 0),
        ("LD + RL", 1),
    ]


def test_equal_runs_are_planned_once_under_their_first_label():
    points = [{"label": "defaults"}, {"label": "spelled out", "set": {"parameters.neighbors": DEFAULTS["neighbors"]}}]
    assert [run.label for run in expand(toy(points=points, seeds=[0]), resolve)] == ["defaults"]


def test_a_point_with_an_unknown_key_is_refused():
    with pytest.raises(InputError, match=r"unknown key 'training\.epoch'"):
        expand(toy(points=[{"label": "x", "set": {"training.epoch": 3}}]), resolve)


def test_all_distilled_runs_share_one_teacher():
    spec = toy()
    assert [run.config.method for run in teachers(expand(spec, resolve), resolve)] == ["teacher"]


@pytest.mark.parametrize(
    ("budget", "devices"),
    [({}, 1), ({"cpus_per_trial": 0.5}, 1), ({"cpus_per_trial": 2}, 2), ({"gpus_per_trial": 0.5}, 1),
     ({"gpus_per_trial": 4}, 4)],
)  # fmt: skip
def test_a_run_has_a_gpu_or_a_core_for_each_of_its_processes(budget, devices):
    check_devices(Budget(**budget), [override(TrialConfig(), {"training.devices": devices, "training.workers": 0})])


@pytest.mark.parametrize(
    ("budget", "run", "complaint"),
    [
        ({"cpus_per_trial": 1}, {"training.devices": 2}, r"base\.training\.devices=2 .* budget\.cpus_per_trial=1"),
        ({"cpus_per_trial": 4}, {"training.workers": 4}, r"base\.training\.workers=4 are 5 .* which 5 need a core"),
        ({"gpus_per_trial": 1, "cpus_per_trial": 3}, {"training.workers": 4}, r"workers=4 .* which 4 need a core"),
        ({"teacher_cpus": 2}, {"method": "teacher", "training.devices": 4},
         r"base\.teacher\.training\.devices=4 .* budget\.teacher_cpus=2"),
        ({"gpus_per_trial": 2}, {}, r"base\.training\.devices=1 and budget\.gpus_per_trial=2 must be the same"),
        ({"gpus_per_trial": 0.5}, {"training.devices": 2}, r"devices=2 and budget\.gpus_per_trial=0\.5 must be"),
        ({"gpus_per_trial": 2}, {"method": "teacher"}, r"base\.teacher\.training\.devices=1 and budget"),
    ],
)  # fmt: skip
def test_processes_without_a_gpu_or_a_core_of_their_own_are_refused(budget, run, complaint):
    with pytest.raises(InputError, match=complaint):
        check_devices(Budget(**budget), [override(TrialConfig(), {"training.workers": 0, **run})])


def test_a_teacher_that_is_only_validated_needs_one_device():
    given = {"method": "teacher", "teacher.checkpoint": "/t.pth", "teacher.digest": "d"}
    check_devices(Budget(gpus_per_trial=4), [override(TrialConfig(), given)])


def test_students_alone_need_no_teacher():
    spec = toy(points=[{"label": "student", "set": {"method": "student"}}])
    assert teachers(expand(spec, resolve), resolve) == []


def test_a_given_checkpoint_is_measured_by_one_run_for_all():
    spec = toy(base={"method": "pointdistiller", "teacher": {"checkpoint": "/t.pth", "digest": "d"}})
    (run,) = teachers(expand(spec, resolve), resolve)
    assert run.config.measures
    assert run.config.identity().keys() == {"method", "parameters", "detector", "dataset", "teacher"}


@pytest.mark.parametrize(
    ("teacher", "reached", "weak"),
    [
        ({}, 0.0, False),
        ({"minimum": 30}, 29.9, True),
        ({"minimum": 30}, 30.0, False),
        ({"checkpoint": "/t.pth"}, 19.9, True),
        ({"checkpoint": "/t.pth"}, 20.0, False),
        ({"checkpoint": "/t.pth", "minimum": 0}, 0.0, False),
    ],
)
def test_a_teacher_is_too_weak_below_its_minimum_or_as_a_checkpoint_below_twenty(teacher, reached, weak):
    config = TrialConfig(method="pointdistiller", teacher=teacher).teacher_run()
    record = RunRecord(
        key=config.key, study="t", config=config, status="finished", metrics={"mAP/3d/moderate": reached},
        declared=DECLARED,
    )  # fmt: skip
    assert bool(too_weak(config, record)) is weak


def test_what_is_carried_to_a_worker_comes_back(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    config = resolve(TrialConfig(method="pointdistiller"))
    run = PlannedRun(role="tuning", label="a row", config=config)
    (back,) = compose(carry([assign(run, files)]))
    assert back.config == config
    assert (back.files.root, back.label, back.role) == (files.root, "a row", "tuning")


@pytest.mark.parametrize("name", list(named_studies.STUDIES))
def test_every_named_study_builds_and_survives_json(name):
    spec = named_studies.get(name)
    assert spec.name == name
    assert spec.question.endswith(("?", ")"))
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec
    runs = expand(spec, resolve)
    assert {run.config.seed for run in runs} == (set(spec.seeds) if spec.points else set())
    assert len(teachers(runs, resolve)) == len({run.config.detector.name for run in runs}) or not runs


def test_a_comparison_tunes_every_method_alike():
    for study in (named_studies.comparison(), named_studies.quick_comparison()):
        tuned = [point.label for point in study.points if point.tune]
        assert len(tuned) == 11
        assert tuned == [point.label for point in study.points], "the student too, as often as every method"
        assert (study.tuning.finalists, study.tuning.fresh) == (3, 2)
        assert {key for point in study.points for key in point.set} <= {"method", "parameters"}


def test_the_quick_comparison_uses_the_quick_starts_teacher():
    (key,) = {
        run.config.teacher_run().key
        for spec in (named_studies.quickstart(), named_studies.quick_comparison())
        for run in expand(spec, resolve)
    }
    assert key


def test_a_preview_names_the_runs_that_are_known_and_counts_the_others():
    points = [{"label": "student", "set": {"method": "student"}}, {"label": "m", "tune": [0.1, 1, 10]}]
    lines = list(preview(toy(points=points, seeds=[4], tuning={"trials": 3, "epochs": 1}), OFFERED))
    assert [line.split("  ", 1)[1] for line in lines[:3]] == [
        "seed 0  teacher (2 epochs), unless it is there",
        "seed 4  student",
        "seed 4  m",
    ]
    assert lines[2].startswith("after tuning")
    assert lines[3:] == ["and 3 tuning runs of m: seed 1000, 1 epochs, weight 1, then 0.1 to 10"]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ([4, 7, 2, 9], "and seeds 2 to 9 of these rows, as far as open claims need them"),
        ([4, 7, 9], "and seed 9 of these rows, as far as open claims need them"),
        ([4, 7], None),
    ],
)
def test_a_preview_names_the_seeds_that_claims_may_ask_for(seeds, said):
    points = [{"label": "one"}, {"label": "two", "set": {"parameters.samples": 7}}]
    lines = list(preview(toy(points=points, seeds=seeds, claims=[{"row": "one", "over": ["two"]}]), OFFERED))
    assert [line for line in lines if "open claims" in line] == [said] * (said is not None)


def test_a_preview_tells_of_finalists_and_of_a_students_learning_rate():
    points = [{"label": "student", "set": {"method": "student"}, "tune": True}]
    lines = list(preview(toy(points=points, seeds=[4], tuning={"trials": 2, "finalists": 3}), OFFERED))
    assert lines[-2:] == [
        "and 2 tuning runs of student: seed 1000, 2 epochs, learning rate 0.001, then 0.000333 to 0.003",
        "and its best 2 on 2 further seeds (1001, 1002): the best mean is chosen",
    ]


def test_a_study_file_is_a_study(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(toy(name="mine").model_dump(mode="json")))
    assert named_studies.get(str(path)) == toy(name="mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [("name: x\nquestion: q\nseedz: [1]\n", "seedz"), ("[: ", "not YAML"), ("just words", "mine.yaml: ")],
)
def test_a_wrong_study_file_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        named_studies.get(str(path))
    assert "mine.yaml" in str(caught.value)


def test_an_unknown_study_gets_the_nearest_name():
    with pytest.raises(InputError, match="Did you mean 'quickstart'"):
        named_studies.get("quickstar")


def test_a_line_names_what_the_search_varied(tmp_path):
    found = PlannedRun(role="search", label="search", config=resolve(TrialConfig(method="pointdistiller")))
    varied = {"parameters.samples": 300, "parameters.local": True, "parameters.reweight": False, "seed": 2}
    suggested = assign(found, StudyFiles(tmp_path, "toy"))._replace(varied=varied)
    assert name_of(suggested, lambda config: CALLED) == "search LD N 300 seed 2"


@pytest.mark.parametrize(("seconds", "words"), [(41, "41 s"), (300, "5 min"), (7800, "2 h 10 min")])
def test_durations_are_short_words(seconds, words):
    assert duration(seconds) == words


def test_what_was_promised_and_not_asked_for_is_told_from_what_is_planned():
    base = TrialConfig()
    tuning = [PlannedRun(role="tuning", label="m", config=base)] * 2
    promised = [
        Promise(role="tuning", label="m", runs=5, around=base),
        Promise(role="search", label="search", runs=6, around=base),
    ]
    searched = [PlannedRun(role="search", label="search", config=base)] * 4
    plan = Plan(runs=(PlannedRun(label="m", config=base), *tuning, *searched), promised=tuple(promised))
    assert [(left.role, left.label, left.runs) for left in plan.unasked()] == [
        ("tuning", "m", 3),
        ("search", "search", 2),
    ]
    assert Plan(runs=(*tuning * 3, *searched * 2), promised=tuple(promised)).unasked() == []


def test_a_part_of_a_study_is_some_of_its_rows_in_their_order_and_no_search():
    study = toy(search={"trials": 3})
    assert part_of(study, []) is study
    part = part_of(study, ["LD + RL", "student"])
    assert ([point.label for point in part.points], part.search) == (["student", "LD + RL"], None)
    with pytest.raises(InputError, match=r"unknown row 'studet'\. Did you mean 'student'"):
        part_of(study, ["LD + RL", "studet"])


def test_the_five_values_of_n_are_five_different_runs():
    spec = named_studies.sensitivity()
    runs = [run.config for run in expand(spec, resolve) if run.label.startswith("N = ") and run.config.seed == 0]
    assert [run.parameters["samples"] for run in runs] == [1500, 3000, 6000, 9000, 12000]
    assert {run.parameters["scope"] for run in runs} == {"batch"}
    pillars_of_a_batch = 5_500 * spec.base.training.batch_size  # of a KITTI frame, as counted on real frames
    assert len({min(run.parameters["samples"], pillars_of_a_batch) for run in runs}) == 5


def test_a_search_reaches_no_number_of_rows_that_a_batch_does_not_have():
    base, search = named_studies.search().base, named_studies.search().search
    assert base.parameters["scope"] == "batch"
    assert search.space["parameters.samples"].high <= 5_500 * base.training.batch_size
