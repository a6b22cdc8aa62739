"""Writing a simulated data set: a pure function of its spec, resumable, never over other data."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from study.nouns.errors import InputError
from trainables.datasets.simulated import simulator
from trainables.datasets.simulated.simulation_spec import SceneSpec, SensorSpec, SimulationSpec
from trainables.datasets.simulated.simulator import draw, resemblance, simulate, write

SMALL = SimulationSpec(train_frames=2, val_frames=2, sensor=SensorSpec(beams=32, field_of_view_deg=100))
HASH_FRAME_TWO = """
import hashlib
from trainables.datasets.simulated.simulation_spec import SensorSpec, SimulationSpec
from trainables.datasets.simulated.simulator import simulate
spec = SimulationSpec(train_frames=2, val_frames=2, sensor=SensorSpec(beams=32, field_of_view_deg=100))
frame = simulate(spec, 2)
print(hashlib.sha256(frame.points.tobytes() + frame.label_lines().encode()).hexdigest())
"""


def contents(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_a_written_root_has_kitti_s_layout(tmp_path) -> None:
    write(SMALL, tmp_path)
    numbers = [f"{i:06d}" for i in range(4)]
    frames = {
        f"training/{k}/{n}.{e}" for k, e in (("velodyne", "bin"), ("label_2", "txt"), ("calib", "txt")) for n in numbers
    }
    lists = {f"ImageSets/{s}.txt" for s in ("train", "val", "trainval")}
    assert set(contents(tmp_path)) == frames | lists | {"image_sizes.json", "simulation.json"}
    assert (tmp_path / "ImageSets/val.txt").read_text() == "000002\n000003\n"
    assert json.loads((tmp_path / "image_sizes.json").read_text())["000000"] == [1242, 375]
    assert SimulationSpec.model_validate_json((tmp_path / "simulation.json").read_text()) == SMALL


def test_the_same_spec_writes_the_same_bytes(tmp_path) -> None:
    assert contents(write(SMALL, tmp_path / "a")) == contents(write(SMALL, tmp_path / "b"))


def test_another_process_makes_the_same_frame() -> None:
    run = [
        subprocess.run([sys.executable, "-c", HASH_FRAME_TWO], capture_output=True, text=True, check=True) for _ in "ab"
    ]
    simulate(SMALL, 1)
    frame = simulate(SMALL, 2)
    here = hashlib.sha256(frame.points.tobytes() + frame.label_lines().encode()).hexdigest()
    assert {r.stdout.strip() for r in run} == {here}


def test_the_first_frames_are_those_that_every_machine_has_made_so_far() -> None:
    """A data set's digest is part of a run's key: other bytes under the same spec would be another data set."""
    digest = hashlib.sha256()
    for spec in (SMALL, SimulationSpec(train_frames=2, val_frames=2, seed=3)):
        for index in range(3):
            frame = simulate(spec, index)
            digest.update(frame.points.tobytes() + frame.label_lines().encode() + frame.dont_care.tobytes())
    assert digest.hexdigest() == "1918e5fc9a92736ea9c345084c080ad93cdd2312e034750299e25b81cebe5085"


def test_a_frame_does_not_depend_on_how_many_there_are() -> None:
    more = SMALL.model_copy(update={"train_frames": 500})
    assert (simulate(more, 1).points == simulate(SMALL, 1).points).all()


def test_frames_and_seeds_differ() -> None:
    other = SMALL.model_copy(update={"seed": 1})
    shapes = [f.boxes[:3].tobytes() for f in (simulate(SMALL, 0), simulate(SMALL, 1), simulate(other, 0))]
    assert len(set(shapes)) == 3


def test_interrupted_writing_is_completed_to_the_same_bytes(tmp_path) -> None:
    whole = contents(write(SMALL, tmp_path / "whole"))

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(SMALL, tmp_path / "part", stop)
    assert not (tmp_path / "part" / "simulation.json").exists()
    assert contents(write(SMALL, tmp_path / "part")) == whole


def test_a_complete_root_is_left_as_it_is(tmp_path, monkeypatch) -> None:
    write(SMALL, tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    monkeypatch.setattr(simulator, "simulate", None)  # would fail if a frame were made
    write(SMALL, tmp_path)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_frame_lost_from_a_complete_root_is_made_again(tmp_path) -> None:
    before = contents(write(SMALL, tmp_path))
    (tmp_path / "training/velodyne/000002.bin").unlink()
    assert contents(write(SMALL, tmp_path)) == before


def test_progress_counts_every_frame(tmp_path) -> None:
    calls: list[tuple[int, int]] = []
    write(SMALL, tmp_path, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_root_of_another_spec_is_refused_with_the_difference(tmp_path) -> None:
    write(SMALL, tmp_path)
    with pytest.raises(InputError, match="seed = 0 there, 7 asked for"):
        write(SMALL.model_copy(update={"seed": 7}), tmp_path)


def test_a_half_written_root_of_another_spec_is_refused(tmp_path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(SMALL, tmp_path, stop)
    with pytest.raises(InputError, match="another simulation"):
        write(SMALL.model_copy(update={"seed": 7}), tmp_path)


def test_a_root_with_real_data_is_refused(tmp_path) -> None:
    (tmp_path / "training").mkdir()
    with pytest.raises(InputError, match="no simulation wrote"):
        write(SMALL, tmp_path)


def test_a_broken_spec_file_is_named(tmp_path) -> None:
    (tmp_path / "simulation.json").write_text("{")
    with pytest.raises(InputError, match=r"simulation\.json is not a simulation's spec"):
        write(SMALL, tmp_path)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        (SimulationSpec, {"train_frames": 0}),
        (SimulationSpec, {"seed": -1}),
        (SimulationSpec, {"cars": 3}),
        (SensorSpec, {"beams": 63}),
        (SensorSpec, {"dropout": 1.0}),
        (SensorSpec, {"elevation_min_deg": 5, "elevation_max_deg": 2}),
        (SensorSpec, {"max_range_m": float("nan")}),
        (SceneSpec, {"pedestrians": -1}),
    ],
)
def test_a_spec_out_of_range_is_refused(part, values) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        part(**values)


def test_an_empty_street_has_no_labels() -> None:
    bare = SceneSpec(cars=0, vans=0, pedestrians=0, cyclists=0, walls=0, poles=0, trees=0)
    frame = simulate(SMALL.model_copy(update={"scene": bare}), 0)
    assert frame.names == ()
    assert frame.boxes.shape == (0, 7)
    assert len(frame.points) > 5000
    assert frame.label_lines() == ""


def test_a_picture_of_frames_is_written(tmp_path) -> None:
    path = draw([simulate(SMALL, i) for i in range(2)], tmp_path / "some" / "frames.png")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_table_of_statistics_stands_alone_where_real_frames_are_absent(tmp_path) -> None:
    table = resemblance(write(SMALL, tmp_path / "root"), tmp_path / "nowhere")
    assert "pillars with a single point" in table
    assert "real" not in table


def test_points_are_finite_and_float32() -> None:
    points = simulate(SMALL, 0).points
    assert points.dtype == np.float32
    assert np.isfinite(points).all()
