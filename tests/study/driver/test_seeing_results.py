"""Whether a machine can read and write where results lie: each is told by its own environment."""

import pytest

from study.driver.seeing_results import a_token, complaint
from study.nouns import object_store
from study.nouns.object_store import Store


def test_a_folder_that_is_not_there_or_cannot_be_written_is_named(tmp_path):
    with a_token(tmp_path / "results") as token:
        assert complaint(str(token)) == ""
        assert complaint(str(tmp_path / "elsewhere" / "token")).startswith(
            f"does not see {tmp_path}/elsewhere: results"
        )
    assert list((tmp_path / "results").iterdir()) == []


def test_a_machine_that_can_put_into_the_store_and_read_there_is_fine_and_nothing_is_left(url):
    with a_token(url) as token:
        assert complaint(str(token)) == ""
    assert Store(url).seen() == {}


def test_a_machine_that_reaches_another_store_or_none_is_told_what_it_lacks(url, monkeypatch):
    monkeypatch.setattr(object_store, "PATIENCE_S", 0.5)
    lacks = "its own environment must name the store's address and credentials"
    with a_token(url) as token:
        there = str(token)
    assert complaint(there) == f"does not find in {url} what the driver has put there: {lacks}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert complaint(there).startswith(f"cannot use {url} (the store does not answer: ")
    assert complaint(there).endswith(lacks)
    with pytest.raises(OSError, match="the store does not answer"), a_token(url):
        pass
