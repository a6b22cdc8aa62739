"""What is found on one machine, and what is said of it."""

import platform
from pathlib import Path

import pytest

from study.driver import node_checks
from study.driver.cluster import PROJECT
from study.driver.node_checks import Asked, look, pins_of


def asked(results: Path, **changes) -> Asked:
    (results / ".token").touch()
    whole = Asked(
        python=platform.python_version(), pins=pins_of(PROJECT / "requirements"), results=results,
        token=results / ".token", data=None, probe=lambda data, gpus: [("devices", True, f"{gpus} GPUs")],
    )  # fmt: skip
    return whole._replace(**changes)


def told(seen) -> dict[str, tuple[bool, str]]:
    return {check: (ok, said) for check, ok, said in seen.told}


def test_a_machine_that_was_set_up_is_well(tmp_path):
    seen = look(asked(tmp_path), gpus=2)
    found = told(seen)
    assert set(found) == {"python", "packages", "devices", "results", "disk", "memory"}
    assert found["python"][0]
    assert found["packages"][0], found["packages"]
    assert found["devices"] == (True, "2 GPUs")
    assert seen.left is not None
    assert seen.left.exists()


@pytest.mark.parametrize(
    ("changes", "check", "words"),
    [
        ({"python": "3.9.1"}, "python", "the driver has 3.9.1"),
        ({"pins": {"numpy": ["0.1"], "mmdet4d": ["1.0"]}}, "packages", "mmdet4d is missing, expected 1.0: run `make"),
        ({"token": Path("nowhere/.token")}, "results", "must lie on a shared disk"),
        ({"probe": lambda data, gpus: 1 / 0}, "operators", "ZeroDivisionError: division by zero; run `make setup`"),
    ],
    ids=["python", "packages", "results", "operators"],
)
def test_what_is_wrong_is_said_and_what_to_do(changes, check, words, tmp_path):
    ok, said = told(look(asked(tmp_path, **changes)))[check]
    assert not ok
    assert words in said


@pytest.mark.parametrize("check", ["disk", "memory"])
def test_a_machine_that_is_full_is_named(check, tmp_path, monkeypatch):
    monkeypatch.setattr(node_checks, f"LEAST_{check.upper()}", 2**60)
    ok, said = told(look(asked(tmp_path)))[check]
    assert not ok
    assert "expected at least" in said
