"""A study that is launched on one machine, and again on another that has nothing but the object store."""

from s3_server import new_bucket, served
from test_launch import epochs_trained
from toy_study import run, toy

from study.nouns.records import StudyFiles
from study.planning.mirror import mirrored


def test_a_study_with_a_search_goes_on_elsewhere_from_the_store_and_trains_no_run_again(cluster, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    spec = toy(seeds=[0], search={"trials": 2})
    lines: list[str] = []
    with served() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        url = new_bucket(environment)
        with mirrored(StudyFiles(here, "toy"), url, lines.append):
            run(spec, here, cluster, only=["student"])
        with mirrored(StudyFiles(there, "toy"), url, lines.append):
            outcome = run(spec, there, cluster, resume=True, say=lines.append)
        with mirrored(StudyFiles(here, "toy"), url, lines.append):
            again = run(spec, here, cluster, resume=True, say=lines.append)
    assert "to run: 1 teacher, 1 row, 2 searched runs" in lines
    assert "nothing is missing" in lines
    assert (outcome.finished, outcome.failed) == (again.finished, again.failed) == (4, 0), "teachers are not counted"
    files = StudyFiles(here, "toy")
    assert [record.key for record in files.all()] == [record.key for record in StudyFiles(there, "toy").all()]
    for key in {record.key for record in files.all()}:
        assert epochs_trained(files, key) == [0, 1]
