"""What an inspection leaves: written whole, read without torch, and refused in one line where it is damaged."""

import numpy as np
import pytest

from study.nouns.errors import InputError
from study.nouns.inspections import ARRAYS, Inspected
from tests.analysis.planted_inspections import planted


def test_what_was_written_is_read_again(tmp_path):
    one = planted("0123456789ab")
    one.write(tmp_path / "inspection.json")
    again = Inspected.read(tmp_path / "inspection.json")
    assert again.facts == one.facts
    assert all(np.array_equal(again.arrays[name], one.arrays[name]) for name in ARRAYS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inspection.json", "inspection.npz"]


def test_arrays_whose_description_was_not_written_are_no_inspection(tmp_path):
    planted("0123456789ab").write(tmp_path / "inspection.json")
    (tmp_path / "inspection.json").unlink()
    assert Inspected.read(tmp_path / "inspection.json") is None


@pytest.mark.parametrize(("name", "content"), [("inspection.npz", b"PK\x03\x04"), ("inspection.json", b"{}")])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, name, content):
    planted("0123456789ab").write(tmp_path / "inspection.json")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name) as refused:
        Inspected.read(tmp_path / "inspection.json")
    assert "\n" not in str(refused.value)
