"""Sizes of files and folders, and how they are written."""

import pytest

from study.nouns.sizes import size_of, spelled


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1300, "1.3 kB"), (99_960, "100 kB"), (1_300_000, "1.3 MB"), (5e15, "5000 TB")],
)
def test_a_size_is_written_with_its_unit_and_few_digits(size, text):
    assert spelled(size) == text


def test_a_folder_takes_what_its_files_take_and_a_link_nothing_of_what_it_leads_to(tmp_path):
    (tmp_path / "big").write_bytes(bytes(5000))
    folder = tmp_path / "folder" / "below"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(bytes(100))
    (folder / "link").symlink_to(tmp_path / "big")
    (folder / "folder").symlink_to(tmp_path)
    assert 100 <= size_of(tmp_path / "folder") < 1000
    assert size_of(tmp_path / "gone") == 0
