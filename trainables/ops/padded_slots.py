"""mmdet3d's `HardVFE` on the CPU, with the padded slots of every pillar summed exactly instead of stored.

PointPillars-FPN pads every pillar to 64 points and runs two layers of linear map, batch norm, ReLU and maximum over the
padding too (VoxelNet, Zhou and Tuzel, CVPR 2018). The padded slots of one pillar are equal: zero before the first
layer, relu(shift) joined with the pillar's maximum before the second. So one row stands for all of them: in mean and
variance it counts as often as there are such slots, in the maximum once. The result is mmdet3d's but for rounding,
gradients and running statistics included (tests/trainables/ops/test_ops_padded_slots.py).

A training step of PointPillars-FPN at 4x on two scans with 39,954 pillars together, one busy core: 2.1 s of CPU time
instead of 14.0, and at most 0.9 GB above what the process holds before it instead of 3.2
(tests/benchmarks/bench_padded_slots.py).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def serve(encoder_class: type[nn.Module]) -> None:
    """Give `HardVFE` the forward pass below on the CPU; on other devices its own runs."""
    encoder_class.forward = _on_the_cpu(encoder_class.forward)


def pillar_features(encoder: Any, voxels: Tensor, counts: Tensor, coors: Tensor) -> Tensor:
    """What a HardVFE that takes the maximum gives.

    Args:
        encoder: the HardVFE; its batch norms' running statistics are updated as their own forward passes would.
        voxels: V x M x C points, x, y, z in m first; rows from `counts` on are zero.
        counts: V, points per pillar, from 1 to M.
        coors: V x 4: scan, and cell along z, y, x.

    Returns:
        V x C_out.
    """
    slots = voxels.shape[1]
    counts = counts.long()
    lengths = (counts + 1).clamp(max=slots)  # rows of a pillar: its points, and one for its padding
    pillar = torch.arange(len(counts)).repeat_interleave(lengths)
    within = torch.arange(len(pillar)) - (lengths.cumsum(0) - lengths)[pillar]
    real = within < counts[pillar]
    weight = torch.where(real, 1, slots - counts[pillar]).to(voxels.dtype)
    rows = _decorated(encoder, voxels, counts, coors, pillar, within) * real.unsqueeze(1)
    for layer in encoder.vfe_layers:
        rows = layer.linear(rows).to(layer.norm.weight.dtype)
        mean, variance = statistics(rows, weight, len(counts) * slots, layer.norm)
        scale = layer.norm.weight * torch.rsqrt(variance + layer.norm.eps)
        rows = F.relu(torch.addcmul(layer.norm.bias - mean * scale, rows, scale))
        largest = torch.segment_reduce(rows, "max", lengths=lengths)
        if layer.cat_max:
            rows = torch.cat([rows, largest.repeat_interleave(lengths, 0)], dim=1)
    return largest


def statistics(rows: Tensor, weight: Tensor, total: int, norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of R x C rows that count as often as their weight, `total` together; or the running
    ones in evaluation. In training the running ones follow."""
    if not norm.training and norm.running_mean is not None and norm.running_var is not None:
        return norm.running_mean, norm.running_var
    weight = weight.unsqueeze(1)  # summed over in pairs: a matrix product would add one row after the other
    mean = (weight * rows).sum(0) / total
    variance = (weight * (rows - mean).square()).sum(0) / total
    if norm.training and norm.track_running_stats and norm.running_mean is not None and norm.momentum is not None:
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * (total / (total - 1)), norm.momentum)  # type: ignore[union-attr]
            norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
    return mean, variance


def _decorated(encoder: Any, voxels: Tensor, counts: Tensor, coors: Tensor, pillar: Tensor, within: Tensor) -> Tensor:
    """R x C_in: each row's point, its distance to its pillar's mean point and to its pillar's center."""
    points = voxels[pillar, within]
    place, parts = points[:, :3], [points]
    if encoder._with_cluster_center:
        mean = voxels[:, :, :3].sum(1) / counts.to(voxels.dtype).unsqueeze(1)
        parts.append(place - mean[pillar])
    if encoder._with_voxel_center:
        edge = voxels.new_tensor([encoder.vx, encoder.vy, encoder.vz])
        first = voxels.new_tensor([encoder.x_offset, encoder.y_offset, encoder.z_offset])
        parts.append(place - (coors[:, [3, 2, 1]].to(voxels.dtype) * edge + first)[pillar])
    if encoder._with_distance:
        parts.append(torch.linalg.vector_norm(place, dim=1, keepdim=True))
    return torch.cat(parts, dim=1)


def _on_the_cpu(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(self: Any, features: Tensor, num_points: Tensor, coors: Tensor, *args: Any, **kwargs: Any) -> Any:
        simple = (
            self.fusion_layer is None
            and all(type(layer.norm) is nn.BatchNorm1d and layer.norm.momentum is not None for layer in self.vfe_layers)
            and features.device.type == "cpu"
            and len(features)
        )
        if not simple:
            return original(self, features, num_points, coors, *args, **kwargs)
        return pillar_features(self, features, num_points, coors)

    return forward
