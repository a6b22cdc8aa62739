"""The canvas of pillars is mmdet3d's, to the last bit, and no GPU is waited for."""

import torch

from tests.fake_accelerator import DEVICE, FakeAccelerator
from trainables.ops.pillar_canvas import canvas
from trainables.ops.setup import bridge

bridge.install()

from mmdet3d.models.middle_encoders import PointPillarsScatter  # noqa: E402


def pillars() -> tuple[torch.Tensor, torch.Tensor]:
    """Of three scans, the second without any."""
    places = torch.randperm(6 * 5)[:20]
    scan = torch.tensor([0] * 12 + [2] * 8)
    return torch.randn(20, 4), torch.stack([scan, 0 * scan, places // 5, places % 5], dim=1).int()


def test_every_pillar_lies_where_its_coordinates_say_and_gets_its_gradient():
    layer = PointPillarsScatter(4, [6, 5])
    values, coordinates = pillars()
    values.requires_grad_()
    found = layer(values, coordinates, 3)
    expected = torch.zeros(3, 4, 6, 5)
    for value, (scan, _, line, column) in zip(values.detach(), coordinates.tolist(), strict=True):
        expected[scan, :, line, column] = value
    assert torch.equal(found, expected)
    weights = torch.randn_like(found)
    (found * weights).sum().backward()
    scan, _, line, column = coordinates.long().unbind(1)
    assert torch.equal(values.grad, weights[scan, :, line, column])


def test_it_waits_for_no_accelerator():
    layer = PointPillarsScatter(4, [6, 5])
    values, coordinates = pillars()
    with FakeAccelerator() as accelerator:
        values, coordinates = values.to(DEVICE), coordinates.to(DEVICE)
        accelerator.waits.clear()
        canvas(layer, values, coordinates, 3)
        assert not accelerator.waits
