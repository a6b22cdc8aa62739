"""Two processes take the step of one with both frames, measure what one measures, and share an epoch."""

import pytest
import tiny_run
import torch
import two_processes

from study.nouns.records import StudyFiles
from trainables import detectors
from trainables.datasets import ready


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return ready.ensure(tiny_run.config().dataset, StudyFiles(tmp_path_factory.mktemp("results"), "tiny"))


@pytest.fixture(scope="module")
def both(tmp_path_factory, root):
    """What each of two processes computed."""
    folder = tmp_path_factory.mktemp("both")
    torch.multiprocessing.spawn(two_processes.everything, (folder, root), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("case", two_processes.EQUAL)
def test_gradients_of_two_processes_are_those_of_one_with_both_frames(both, case):
    """Adapters and batch norm's averages included; the frames differ in objects and in points."""
    alone = two_processes.compute(*two_processes.EQUAL[case])
    one, two = ({**computed["steps"][case]} for computed in both)
    torch.testing.assert_close((one.pop("loss") + two.pop("loss")) / 2, alone.pop("loss"), rtol=1e-5, atol=0)
    assert one.keys() == two.keys() == alone.keys()
    for name, value in alone.items():
        assert torch.equal(one[name], two[name]), name
        torch.testing.assert_close(one[name], value, rtol=0, atol=5e-5 * float(value.abs().max()) + 1e-12)


@pytest.mark.parametrize("family", detectors.names())
def test_a_process_with_hardly_a_point_and_nothing_to_find_takes_its_step(both, family):
    gradients = [{**computed["poor"][family]} for computed in both]
    losses = [gradient.pop("loss") for gradient in gradients]
    assert torch.isfinite(torch.stack(losses)).all()
    trained = {name: value for name, value in gradients[0].items() if "running" not in name}
    assert len(trained) > 50
    for name, value in trained.items():
        assert torch.isfinite(value).all(), name
        assert torch.equal(value, gradients[1][name]), name


def test_two_processes_measure_what_one_measures(both, root):
    """Of three frames one process gets two, the other one and the first once more, which does not count."""
    alone = two_processes.validate(root)
    assert 0 < alone["Kitti metric/mAP/3d/moderate"] < 100
    assert both[0]["metrics"] == both[1]["metrics"] == alone


def test_two_processes_share_the_frames_of_an_epoch(both):
    one, two = (computed["epoch"]["frames"] for computed in both)
    assert len(one) == len(two) == 3
    assert len({*one, *two}) == 6


def test_the_first_process_writes_down_the_mean_of_all_losses(both):
    one, two = (computed["epoch"] for computed in both)
    assert one["losses"] != two["losses"]
    assert one["journal"] == two["journal"] == pytest.approx(sum(one["losses"] + two["losses"]) / 6)
    assert (one["told"], two["told"]) == (1, 0)


def test_two_processes_end_an_epoch_with_the_same_weights_and_averages_of_batch_norm(both):
    one, two = (computed["epoch"]["state"] for computed in both)
    assert one.keys() == two.keys()
    assert any("running_mean" in name for name in one)
    assert all(torch.equal(value, two[name]) for name, value in one.items())
