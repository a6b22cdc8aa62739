"""Which study may go on in a folder, and what a release or another machine may change without making it another."""

import json
import threading

import pytest
from pydantic import Field
from toy_study import OFFERED, resolve, toy

from study.nouns import config as config_file
from study.nouns import leases
from study.nouns.config import TrialConfig
from study.nouns.errors import InputError
from study.nouns.frozen import Frozen, without_additions
from study.nouns.holders import Holder
from study.nouns.lease_places import PREFIX
from study.nouns.leases import LeaseLostError, is_lost
from study.nouns.overrides import override
from study.nouns.records import StudyFiles
from study.planning.optuna_search import study_name
from study.planning.same_study import check, first_difference, only_driver
from study.planning.study_state import StudyState

POINTS = toy().model_dump(mode="json")["points"]
TUNED = [*POINTS, {"label": "m", "set": {"parameters.weight": 1.0}, "tune": [0.1, 1, 10]}]


def state(tmp_path, spec=None, offered=OFFERED) -> StudyState:
    known = StudyState(spec or toy(), offered, StudyFiles(tmp_path, "toy"))
    known.read()
    return known


def difference(tmp_path, old, new, offered=OFFERED) -> str | None:
    before = state(tmp_path, old)
    before.files.write_plan(before.plan())
    now = state(tmp_path, new, offered)
    return first_difference(before.spec, before.plan(), now.spec, now.plan())


def with_data(digest: str):
    """A trainable's answers on a machine whose data root has some content."""

    def resolved(config: TrialConfig) -> TrialConfig:
        return override(resolve(config), {"dataset.digest": digest})

    return OFFERED._replace(resolve=resolved)


def test_a_study_may_grow(tmp_path):
    new = {"label": "new", "set": {"parameters.local": False}}
    grown = toy(points=[*POINTS, new], seeds=[2, 1, 0], search={"trials": 3}, budget={"cpus_per_trial": 2})
    assert difference(tmp_path, toy(), grown) is None


@pytest.mark.parametrize(
    "change",
    [
        {"base.dataset.root": "/elsewhere"},
        {"seeds": [1, 0]},
        {"base.training.workers": 1},
        {"base.teacher.minimum": 3.0},
        {"question": "Why?"},
        {"search": {"trials": 9, "startup": 2, "sampler": "gp", "warm_start": True}},
    ],
    ids=str,
)
def test_what_decides_no_result_may_change(tmp_path, change):
    asked = toy(points=TUNED, search={"trials": 8}, budget={"cpus_per_trial": 8, "teacher_cpus": 8})
    assert difference(tmp_path, asked, override(asked, change)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base.training.epochs": 9}, "of the point 'student' (seed 0) training.epochs was 2 and is now 9"),
        ({"base.teacher.training.epochs": 9}, "(seed 0) teacher.training.epochs was 2 and is now 9"),
        ({"seeds": [1]}, "seeds lost [0]"),
        ({"points": POINTS[:1]}, "the point 'LD + RL' is gone"),
        ({"metric": "loss"}, "metric was mAP/3d/moderate and is now loss"),
        ({"tuning.epochs": 1}, "tuning.epochs was None and is now 1"),
        ({"tuning.at_once": 1}, "tuning.at_once was 2 and is now 1"),
        ({"points": [*POINTS, {**TUNED[-1], "tune": [0.1, 1, 20]}]}, "of the point 'm' tune was (0.1, 1.0, 10.0)"),
        ({"search": None}, "its search is gone"),
        ({"search.trials": 3}, "search.trials was 8 and is now 3"),
        ({"search.objectives": ["mAP/3d/moderate", "gflops"]}, "search.objectives was [] and is now ['mAP/3d/mod"),
        ({"search.constraints": {"gflops": 3.0}}, "search.constraints.gflops was None and is now 3.0"),
        ({"search.space": {"parameters.samples": {"low": 100, "high": 900}}}, "search.space.parameters.neighbors was"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_another_study_is_told_by_its_first_difference(tmp_path, change, words):
    asked = toy(points=TUNED, search={"trials": 8})
    metric = OFFERED.metrics_of(asked.base)[0]
    offered = OFFERED._replace(metrics_of=lambda config: (metric, metric.model_copy(update={"name": "loss"})))
    assert words in (difference(tmp_path, asked, override(asked, change), offered) or "")


def test_other_content_of_the_same_data_root_is_another_study(tmp_path):
    before, now = state(tmp_path, toy(), with_data("a")), state(tmp_path, toy(), with_data("b"))
    words = first_difference(before.spec, before.plan(), now.spec, now.plan())
    assert words == "of the point 'student' (seed 0) dataset.digest was a and is now b"
    alone = toy(points=[], search={"trials": 2})
    before, now = state(tmp_path, alone, with_data("a")), state(tmp_path, alone, with_data("b"))
    words = first_difference(before.spec, before.plan(), now.spec, now.plan())
    assert words == "of the searched run dataset.digest was a and is now b"


def test_a_search_goes_on_with_its_own_seed_whatever_comes_first_now(tmp_path):
    alone = toy(points=[], search={"trials": 2}, seeds=[3, 4])
    files = StudyFiles(tmp_path, "toy")
    files.write_plan(state(tmp_path, alone).plan())
    again = state(tmp_path, override(alone, {"seeds": [4, 3]}))
    assert {run.config.seed for run in again.searched} == {3}
    assert first_difference(alone, files.read_plan(), alone, again.plan()) is None


class Training2(config_file.TrainingConfig):
    """The next release: training has one more value, and trains as before unless it is set."""

    clip: float = Field(35.0, json_schema_extra={"before": 35.0})


class Teacher2(config_file.TeacherConfig):
    training: Training2 = Training2()


class Trial2(TrialConfig):
    training: Training2 = Training2()
    teacher: Teacher2 = Teacher2()


def test_a_release_that_adds_a_default_trains_nothing_again(monkeypatch):
    old = TrialConfig(method="pointdistiller", parameters={"weight": 1.0})
    new = Trial2.model_validate(old.model_dump(mode="json"))
    assert "clip" in new.model_dump(mode="json")["training"]
    assert new.key == old.key
    assert new.model_copy(update={"training": Training2(clip=1.0)}).key != old.key
    assert new.model_copy(update={"teacher": Teacher2(training=Training2(clip=1.0))}).key != old.key


def test_a_default_that_changes_keeps_the_keys_of_both_values():
    class Training3(Training2):
        clip: float = Field(10.0, json_schema_extra={"before": 35.0})

    class Trial3(Trial2):
        training: Training3 = Training3()

    old = TrialConfig()
    assert Trial3.model_validate({"training": {"clip": 35.0}}).key == old.key
    assert Trial3().key != old.key


def test_a_parameter_that_a_method_adds_stays_out_of_what_names_a_run():
    class Parameters(Frozen):
        weight: float = 1.0
        mask: str = Field("none", json_schema_extra={"before": "none"})

    assert without_additions(Parameters, {"weight": 1.0, "mask": "none"}) == {"weight": 1.0}
    assert without_additions(Parameters, {"weight": 1.0, "mask": "all"}) == {"weight": 1.0, "mask": "all"}


def test_every_key_changes_with_the_version_of_the_identity(monkeypatch):
    before = TrialConfig().key
    monkeypatch.setattr(config_file, "IDENTITY_VERSION", config_file.IDENTITY_VERSION + 1)
    assert TrialConfig().key != before


def test_a_searchs_name_follows_from_what_is_said_and_not_from_defaults():
    asked = toy(points=[], search={"trials": 2, "space": {"parameters.samples": {"low": 1, "high": 2}}})
    new = asked.model_copy(update={"base": Trial2.model_validate(asked.base.model_dump(mode="json"))})
    name = study_name(asked, 0)
    assert study_name(new, 0) == name
    same = [
        {"base.dataset.root": "/x"},
        {"base.training.workers": 3},
        {"search.trials": 9},
        {"search.startup": 1},
        {"seeds": [4, 0]},
    ]
    assert {study_name(override(asked, change), 0) for change in same} == {name}
    others = [
        {"base.training.epochs": 9},
        {"metric": "loss"},
        {"search.space": {"parameters.samples": {"low": 1, "high": 3}}},
    ]
    assert name not in {study_name(override(asked, change), 0) for change in others}
    assert study_name(asked, 1) != name


def test_a_study_that_was_refused_leaves_nothing_behind(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    with pytest.raises(InputError), only_driver(files):
        raise InputError("no cluster can be joined there")
    assert list(tmp_path.iterdir()) == []
    with only_driver(files):
        files.write_study(toy())
    assert files.read_study() == toy()


def test_a_folder_is_taken_by_its_own_study_only(tmp_path):
    files, known = StudyFiles(tmp_path, "toy"), state(tmp_path)
    check(known.spec, known.plan(), files, resume=False)
    files.write_plan(known.plan())
    files.write_study(known.spec)
    with pytest.raises(InputError, match="already holds a study with 0 runs"):
        check(known.spec, known.plan(), files, resume=False)
    check(known.spec, known.plan(), files, resume=True)


def test_a_study_whose_driver_is_silent_on_another_machine_is_taken_over_and_the_lost_driver_is_refused(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(leases, "EXPIRY_S", 1.0)
    monkeypatch.setattr(leases, "BEAT_S", 600.0)
    files, known, said = StudyFiles(tmp_path, "toy"), state(tmp_path), list[str]()
    with only_driver(files):
        lost = leases._HELD[files.root]
        (held,) = files.root.glob(f"{PREFIX}*")
        held.write_text(held.read_text().replace(Holder.me().place, "elsewhere"))
        with only_driver(files, said.append):
            files.write_plan(known.plan())
            leases._HELD[files.root] = lost  # as that driver is a process of its own
            with pytest.raises(LeaseLostError, match="this process was taken for dead, and process"):
                files.spend(5.0)
            assert is_lost(files.root)
            files.study_json.touch()
    assert files.spent() == 0.0
    assert len(said) == 1
    assert "looking whether it is still alive" in said[0]


def test_a_study_whose_driver_gives_a_sign_of_life_on_another_machine_is_refused(tmp_path):
    files = StudyFiles(tmp_path, "toy")
    files.root.mkdir()
    lease = files.root / f"{PREFIX}1"
    signed = {**Holder("node7", 123, "elsewhere", "1")._asdict()}
    lease.write_text(json.dumps(signed))
    beat = threading.Timer(0.3, lambda: lease.write_text(json.dumps({**signed, "beat": "1"})))
    beat.start()
    with (
        pytest.raises(InputError, match=r"another process is running this study \(process 123 on node7\)"),
        only_driver(files),
    ):
        pass
    beat.join()
