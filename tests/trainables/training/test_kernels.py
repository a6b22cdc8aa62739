"""How torch computes in this process."""

import torch
from torch import nn

from trainables.training import kernels


def test_on_a_cpu_a_gradient_of_indexing_repeats_itself_with_two_threads_once_kernels_are_settled():
    """mmdet3d and methods that index a table (CRD draws a place twice) are torch's own code."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(2)
    try:
        kernels.settle()
        values, rows, weights = torch.randn(1000, 32), torch.randint(1000, (9000,)), torch.randn(9000, 32)

        def gradient() -> torch.Tensor:
            table = values.clone().requires_grad_()
            (table[rows] * weights).sum().backward()
            assert table.grad is not None
            return table.grad

        first = gradient()
        assert all(torch.equal(gradient(), first) for _ in range(10))
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])


def test_maps_keep_their_values_and_lie_with_their_channels_last_and_other_inputs_stay():
    read = torch.randn(2, 3, 4, 5)
    points = torch.randn(2, 9, 4)
    (laid, kept, number) = kernels.channels_last(nn.Identity(), (read, points, 3))
    assert torch.equal(laid, read)
    assert laid.is_contiguous(memory_format=torch.channels_last)
    assert kept is points
    assert number == 3


def test_a_network_on_a_cpu_stays_as_it_is_and_its_record_names_no_layout():
    network = nn.Sequential(nn.Linear(2, 2))
    assert kernels.lay_out(network) is network
    assert kernels.named() == {} or torch.cuda.is_available()
