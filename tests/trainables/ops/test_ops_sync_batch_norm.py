"""Synchronized batch norm of two processes against torch's batch norm of one that holds all rows."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from trainables.ops.sync_batch_norm import CpuSyncBatchNorm

SHARES = {"different numbers of rows": (5, 3), "all rows in one process": (0, 4), "no rows": (0, 0), "one row": (1, 0)}
"""Rows of each of two processes."""


def rows_of(case):
    total = torch.randn(sum(SHARES[case]), 4, 3, generator=torch.Generator().manual_seed(1))
    return total.split(SHARES[case])


def layer():
    norm = nn.BatchNorm1d(4)
    nn.init.uniform_(norm.weight, 0.5, 2, generator=torch.Generator().manual_seed(0))
    return norm


def trained(norm, rows):
    """Output, gradients and running averages of a step, or why there was none."""
    rows.requires_grad_()
    try:
        output = norm(rows)
    except ValueError as error:
        return str(error)
    (output * torch.arange(4 * rows.shape[2]).view(1, 4, -1)).sum().backward()
    averages = {name: value.clone() for name, value in norm.named_buffers() if "running" in name}
    return {
        "output": output.detach(),
        "rows": rows.grad,
        "weight": norm.weight.grad,
        "bias": norm.bias.grad,
        **averages,
    }


def one_of_two(rank, folder):
    dist.init_process_group("gloo", f"file://{folder}/meeting", world_size=2, rank=rank)
    seen = {}
    for case in SHARES:
        holder = nn.Sequential(layer())
        CpuSyncBatchNorm.convert_sync_batchnorm(holder)
        # The single row has one value a channel: one row and one place.
        own = rows_of(case)[rank][:, :, : 1 if case == "one row" else 3].clone()
        seen[case] = trained(holder[0], own)
    torch.save(seen, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    torch.multiprocessing.spawn(one_of_two, (folder,), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("case", ["different numbers of rows", "all rows in one process"])
def test_two_processes_normalize_as_one_with_all_rows(both, case):
    alone = trained(layer(), torch.cat(rows_of(case)))
    one, two = (computed[case] for computed in both)
    for name in ("output", "rows"):
        torch.testing.assert_close(torch.cat([one[name], two[name]]), alone[name])
    for name in ("weight", "bias"):
        torch.testing.assert_close(one[name] + two[name], alone[name])
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(one[name], alone[name])
        assert torch.equal(one[name], two[name])


def test_a_step_in_which_no_process_has_a_row_leaves_the_averages_and_has_a_gradient_of_zero(both):
    for computed in both:
        seen = computed["no rows"]
        assert seen["running_mean"].tolist() == [0] * 4
        assert seen["running_var"].tolist() == [1] * 4
        assert seen["weight"].tolist() == seen["bias"].tolist() == [0] * 4


def test_a_single_row_in_all_processes_is_refused_by_each_of_them_as_torch_refuses_it(both):
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer()(torch.ones(1, 4))
    for computed in both:
        assert "more than 1 value per channel" in computed["one row"]
