"""Raw KITTI files: what is read, and how each kind of bad file is reported."""

import struct
from pathlib import Path

import numpy as np
import pytest
from kitti_tiny_root import CALIBRATION, CAR, DONT_CARE, tiny_scan

from study.nouns.errors import InputError
from trainables.datasets.kitti.image_sizes import ImageSizes
from trainables.datasets.kitti.raw_files import read_calibration, read_labels, read_plane, read_scan


def text_file(folder: Path, content: str) -> Path:
    path = folder / "000000.txt"
    path.write_text(content)
    return path


def edited_car(field: int, text: str) -> str:
    fields = CAR.split()
    fields[field] = text
    return " ".join(fields)


def test_a_scan_is_read_as_it_was_written(tmp_path):
    tiny_scan().tofile(tmp_path / "scan.bin")
    np.testing.assert_array_equal(read_scan(tmp_path / "scan.bin"), tiny_scan())


def test_a_truncated_scan_is_reported_with_its_path(tmp_path):
    path = tmp_path / "scan.bin"
    path.write_bytes(tiny_scan().tobytes()[:-6])
    with pytest.raises(InputError, match=rf"{path} has 410, 10 bytes too many: it is truncated"):
        read_scan(path)


def test_nan_points_are_reported_with_their_number_and_first_row(tmp_path):
    points = tiny_scan()
    points[5, 2], points[9, 3] = np.nan, np.inf
    points.tofile(tmp_path / "scan.bin")
    with pytest.raises(InputError, match=r"scan.bin has NaN or infinity in 2 of 26 points, first in row 5"):
        read_scan(tmp_path / "scan.bin")


def test_an_empty_scan_is_reported(tmp_path):
    (tmp_path / "scan.bin").touch()
    with pytest.raises(InputError, match=r"at least one point; .*scan.bin is empty"):
        read_scan(tmp_path / "scan.bin")


def test_a_missing_scan_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"expected a LiDAR scan at .*none.bin; cannot read it: No such file"):
        read_scan(tmp_path / "none.bin")


def test_dimensions_become_length_height_width(tmp_path):
    labels = read_labels(text_file(tmp_path, CAR))
    assert labels.dimensions.tolist() == [[4.0, 1.5, 1.6]]


def test_a_dontcare_line_may_have_negative_dimensions(tmp_path):
    labels = read_labels(text_file(tmp_path, f"{CAR}\n{DONT_CARE}\n"))
    assert labels.is_object.tolist() == [True, False]


def test_an_empty_label_file_is_a_frame_without_objects(tmp_path):
    assert read_labels(text_file(tmp_path, "")).location.shape == (0, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (" ".join(CAR.split()[:11]), r"15 fields \(16 with a score\); found 11 in .*000000.txt, line 2"),
        (
            edited_car(8, "tall"),
            r"field 'height' of a label must be a finite number; found 'tall' in .*000000.txt, line 2",
        ),
        (edited_car(11, "nan"), r"field 'x' of a label must be a finite number; found 'nan' in .*000000.txt, line 2"),
        (edited_car(2, "0.5"), r"field 'occluded' of a label must be an integer; found '0.5' in .*000000.txt, line 2"),
        (edited_car(0, "Bus"), r"unknown class 'Bus' in .*000000.txt, line 2. KITTI's classes: Car, Van, .*, DontCare"),
        (edited_car(9, "0.0"), r"of a Car must be positive; found 1.50 0.0 4.00 in .*000000.txt, line 2"),
    ],
    ids=["too few fields", "no number", "nan", "no integer", "unknown class", "no width"],
)
def test_a_bad_label_line_is_reported_with_its_number(tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        read_labels(text_file(tmp_path, f"{CAR}\n{line}\n"))


def test_calibration_is_found_by_name_in_any_order(tmp_path):
    shuffled = "\n".join(reversed(CALIBRATION.splitlines()))
    calibration = read_calibration(text_file(tmp_path, shuffled))
    assert calibration.Tr_velo_to_cam[1].tolist() == [0, 0, -1, -0.08]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CALIBRATION.replace("R0_rect", "R_rect"), r"000000.txt has no R0_rect, but P0, P2, R_rect, Tr_velo_to_cam"),
        (CALIBRATION.replace("0 0 1 0\nR0", "0 0 1\nR0"), r"'P2:' and 12 numbers \(3 x 4\); .*000000.txt has 11"),
        (CALIBRATION.replace("-0.08", "below"), r"'Tr_velo_to_cam:' and 12 numbers .* has 'below' among them"),
        (CALIBRATION.replace("R0_rect: 1 0 0", "R0_rect: 0 0 0"), r"R0_rect must be invertible; .*000000.txt"),
        ("", r"000000.txt has no P2, but nothing"),
    ],
    ids=["missing", "wrong size", "no number", "singular", "empty file"],
)
def test_a_bad_calibration_is_reported(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_calibration(text_file(tmp_path, content))


def test_a_road_plane_is_the_fourth_line(tmp_path):
    path = text_file(tmp_path, "# Plane\nWidth 4\nHeight 1\n-0.007 -0.999 -0.019 1.68\n")
    assert read_plane(path) == [-0.007, -0.999, -0.019, 1.68]


def test_a_road_plane_of_three_numbers_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"four numbers a b c d; found \['0 -1 0'\] in .*000000.txt"):
        read_plane(text_file(tmp_path, "# Plane\nWidth 4\nHeight 1\n0 -1 0\n"))


def test_the_image_size_is_read_from_the_png_header_where_no_table_is(tmp_path):
    (tmp_path / "training" / "image_2").mkdir(parents=True)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 1242, 375)
    (tmp_path / "training" / "image_2" / "000007.png").write_bytes(header)
    assert ImageSizes(tmp_path)["000007"] == (1242, 375)


def test_without_any_image_size_both_sources_are_named(tmp_path):
    with pytest.raises(InputError, match=r"000007 needs an image size: .*image_sizes.json or the image .*000007.png"):
        ImageSizes(tmp_path)["000007"]


def test_an_image_size_that_is_none_is_reported(tmp_path):
    (tmp_path / "image_sizes.json").write_text('{"000007": [1242, "375"]}')
    with pytest.raises(InputError, match=r"is \[width, height\] in pixels; .*image_sizes.json has \[1242, '375'\]"):
        ImageSizes(tmp_path)["000007"]


@pytest.mark.real
def test_every_real_label_is_read(real_data):
    files = sorted((real_data / "kitti_mini" / "training" / "label_2").iterdir())
    assert sum(read_labels(path).is_object.sum() for path in files) == sum(
        not line.startswith("DontCare") for path in files for line in path.read_text().splitlines()
    )
