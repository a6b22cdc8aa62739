"""Runs that train together get what they would get alone, whatever becomes of their neighbors."""

import errno
import gc
import weakref
from typing import Any

import pytest
import tiny_run
import torch
from small_detectors import on_the_street, small

from study.nouns.assignment import Assignment
from study.nouns.config import TrialConfig
from study.nouns.records import EpochRecord, RunRecord, StudyFiles
from trainables import distillers
from trainables import run as one_run
from trainables.distillers.pointdistiller import PointDistiller
from trainables.features import Batch, Features
from trainables.training.student import Student
from trainables.training.teaching import Teaching

SMALL: dict[str, dict[str, Any]] = {
    "pointdistiller": {"samples": 256, "neighbors": 8},
    "combined": {"methods": {"pointdistiller": {"samples": 64, "neighbors": 8}, "sparsekd": {}, "kd": {}}},
    "rdd": {"score": 0.001},
}
ON_POINTS = {"rdd": {"score": 0.001, "feature_weight": 0, "select": "all"}}
"""Where features lie on points, RDD compares predictions alone."""
TIMES = {"gflops", "cohort", "host_memory_mb"}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> StudyFiles:
    files = StudyFiles(tmp_path_factory.mktemp("results"), "cohorts")
    teacher = one_run.resolve(tiny_run.config(method="kd").teacher_run())
    one_run.run(teacher, files)
    return files


def runs() -> dict[str, TrialConfig]:
    """Every method, the student alone, another compression, other lengths, other values."""
    found = {name: tiny_run.config(method=name, parameters=SMALL.get(name, {})) for name in distillers.names()}
    released = {**SMALL["pointdistiller"], "form": "released"}
    return {
        "student": tiny_run.config(),
        **found,
        "wider": tiny_run.config(method="kd", detector__compression=1.0),
        "longer": tiny_run.config(method="fitnet", training__epochs=3, training__learning_rate=0.002),
        "more neighbors": tiny_run.config(method="pointdistiller", parameters={"samples": 256, "neighbors": 24}),
        "released": tiny_run.config(method="pointdistiller", parameters=released),
    }


def train(configs: dict[str, TrialConfig], files: StudyFiles, **options: Any) -> dict[str, RunRecord]:
    assigned = [Assignment(config, files, label, "row") for label, config in configs.items()]
    return dict(zip(configs, one_run.run_together(assigned, **options), strict=True))


def numbers(record: RunRecord) -> dict[str, Any]:
    """What a run has found, without what it took."""
    losses = {f"{e.epoch} {name}": value for e in record.epochs for name, value in e.losses.items()}
    facts = {name: value for name, value in record.facts.items() if name not in TIMES}
    return {**losses, **record.metrics, **facts}


def weights(files: StudyFiles, record: RunRecord) -> dict[str, torch.Tensor]:
    return torch.load(files.checkpoint(record.key), weights_only=True)["state_dict"]


def differing(one: RunRecord, other: RunRecord) -> list[str]:
    ours, theirs = numbers(one), numbers(other)
    assert ours.keys() == theirs.keys()
    return [name for name in ours if ours[name] != theirs[name]]


@pytest.fixture(scope="module")
def together(files) -> dict[str, RunRecord]:
    return train(runs(), files)


def test_every_method_ends_with_the_very_numbers_and_weights_of_a_run_that_trains_alone(files, together):
    assert {record.status for record in together.values()} == {"finished"}
    assert {record.facts["cohort"] for record in together.values()} == {float(len(together))}
    apart = tiny_run.elsewhere(files, "alone")
    for label, config in runs().items():
        alone = one_run.run(config, apart)
        assert differing(alone, together[label]) == [], label
        ours, theirs = weights(apart, alone), weights(files, together[label])
        assert all(torch.equal(value, theirs[name]) for name, value in ours.items()), label
    losses = [record.epochs[-1].losses["loss"] for label, record in together.items() if label != "se_ssd"]
    assert len(set(losses)) == len(losses), "two runs were one"  # but for se_ssd, which is sure of nothing yet


def test_what_is_shared_is_divided_and_what_is_not_counts_whole(together):
    for label, record in together.items():
        for epoch in record.epochs[:2]:  # then one goes on alone
            assert epoch.step_seconds < epoch.shared_seconds < epoch.seconds, label


def test_a_student_that_diverges_leaves_and_the_others_get_what_they_would_have_got(files, together):
    apart = tiny_run.elsewhere(files, "diverging")
    bad = tiny_run.config(method="kd", parameters={"weight": 1e39})
    found = train({"bad": bad, "student": runs()["student"], "kd": runs()["kd"]}, apart)
    assert "the loss is not finite in epoch 1" in found["bad"].error
    assert apart.record(bad.key).error == found["bad"].error
    assert "DivergedError" in (apart.run(bad.key) / "train.log").read_text()
    for label in ("student", "kd"):
        assert differing(found[label], together[label]) == []


def test_a_student_whose_files_cannot_be_written_leaves_alone(files, together, monkeypatch):
    apart, kd = tiny_run.elsewhere(files, "unwritten"), runs()["kd"]
    close = Student.close

    def full(self: Student, metrics: dict[str, float]) -> EpochRecord:
        if self.config == kd:
            raise OSError(errno.ENOSPC, "No space left on device", "latest.pth")
        return close(self, metrics)

    monkeypatch.setattr(Student, "close", full)
    found = train({"kd": kd, "student": runs()["student"]}, apart)
    assert found["kd"].error == "the disk is full: latest.pth could not be written"
    assert differing(found["student"], together["student"]) == []


def test_a_killed_cohort_goes_on_each_from_its_own_epoch_in_any_company(files, together):
    apart = tiny_run.elsewhere(files, "killed")
    some = {label: runs()[label] for label in ("student", "longer", "pointdistiller", "se_ssd", "crd")}

    def killed(key: str, epoch: EpochRecord) -> None:
        if key == some["longer"].key and epoch.epoch == 1:  # the second of five: the others have no checkpoint yet
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(some, apart, tell=killed)
    kept = [label for label, config in some.items() if (apart.run(config.key) / "latest.pth").exists()]
    assert kept == ["student", "longer"]
    told: list[tuple[str, int]] = []
    found = train({"longer": some.pop("longer")}, apart)  # what was started together goes on alone
    found |= train(some, apart, tell=lambda key, epoch: told.append((key, epoch.epoch)))
    assert (some["student"].key, 1) not in told, "an epoch was trained twice"
    for label, record in found.items():
        assert differing(record, together[label]) == [], label


def test_runs_that_fail_before_they_begin_fail_each_with_the_reason(files):
    apart = tiny_run.elsewhere(files, "no-data")
    configs = {"a": tiny_run.config(training__batch_size=7, training__drop_last=True),
               "b": tiny_run.config(method="kd", training__batch_size=7, training__drop_last=True)}  # fmt: skip
    found = train(configs, apart)
    assert all("no whole batch of 7 frames" in record.error for record in found.values())
    assert all(apart.record(record.key) == record for record in found.values())


def test_neighbors_are_looked_for_once_for_the_largest_number_that_anyone_wants(files, monkeypatch):
    from trainables.distillers import pointdistiller

    asked: list[int] = []
    search = pointdistiller.neighbors_of

    def counted(chosen: Any, teacher: Any, k: int, *rest: Any) -> Any:
        asked.append(k)
        return search(chosen, teacher, k, *rest)

    monkeypatch.setattr(pointdistiller, "neighbors_of", counted)
    values = [
        {"neighbors": 8},
        {"neighbors": 24},
        {"neighbors": 8, "temperature": 3.0},
        {"neighbors": 4, "samples": 64},
    ]
    configs = {
        str(number): tiny_run.config(method="pointdistiller", parameters={"samples": 256, **value})
        for number, value in enumerate(values)
    }
    found = train(configs, tiny_run.elsewhere(files, "neighbors"))
    assert {record.status for record in found.values()} == {"finished"}
    steps = int(found["0"].facts["steps"])
    assert sorted(asked) == sorted([24, 4] * steps)


def test_what_the_teacher_says_of_a_batch_does_not_outlive_the_steps_on_it(files, monkeypatch):
    said: list[weakref.ref[Features]] = []
    ask = Teaching._pass

    def counted(self: Teaching, batch: Batch, mode: str) -> Features:
        gc.collect()
        assert [known() for known in said if known() is not None] == []
        features = ask(self, batch, mode)
        said.append(weakref.ref(features))
        return features

    monkeypatch.setattr(Teaching, "_pass", counted)
    configs = {label: runs()[label] for label in ("student", "kd", "pointdistiller", "sparsekd")}
    found = train(configs, tiny_run.elsewhere(files, "memory"))
    assert {record.error for record in found.values()} == {None}
    assert len(said) == found["kd"].facts["steps"] > 3


def test_who_draws_its_rows_shares_none():
    drawn = PointDistiller.Parameters(selection="drawn")
    assert PointDistiller._rows(type("Given", (), {"options": drawn})()) is None


@pytest.mark.long
@pytest.mark.parametrize("family", [name for name in on_the_street() if name != "pointpillars"])
def test_it_is_so_for_every_detector(files, family):
    def config(method: str, **parameters: Any) -> TrialConfig:
        network = small(family).model_dump(mode="json")
        return tiny_run.config(method=method, parameters=parameters, detector=network, training__epochs=1)

    one_run.run(one_run.resolve(config("kd").teacher_run()), files)
    changes = SMALL | (ON_POINTS if family == "pointrcnn" else {})
    configs = {name: config(name, **changes.get(name, {})) for name in distillers.names()}
    configs["student"] = config("student")
    found = train(configs, tiny_run.elsewhere(files, f"{family}-together"))
    apart = tiny_run.elsewhere(files, f"{family}-alone")
    for label, each in configs.items():
        assert differing(one_run.run(each, apart), found[label]) == [], label
