"""The rows of bench_operators.py on raw points: PointRCNN's operators at its sizes, beside what torch alone would do.

16,384 points of a scan, 4,096 of them sampled, balls of 0.1 and 0.5 m, features carried back to all points, a proposal
at each point, 9,000 of them before NMS, and the points of 128 of them.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from trainables.ops.ball_query import balls
from trainables.ops.grouping import group_points_backward, group_points_forward
from trainables.ops.interpolation import three_interpolate_backward, three_interpolate_forward, three_nearest
from trainables.ops.point_sampling import furthest_points
from trainables.ops.points_in_boxes import first_boxes, points_in_boxes
from trainables.ops.roi_points import roipoint_pool3d_forward
from trainables.ops.rotated_boxes import rotated_nms


def plain_sampling(cloud: Tensor, count: int) -> Tensor:
    nearest, chosen = torch.full((len(cloud),), 1e10), torch.zeros(count, dtype=torch.long)
    for j in range(1, count):
        nearest = torch.minimum(nearest, (cloud - cloud[chosen[j - 1]]).square().sum(1))
        chosen[j] = nearest.argmax()
    return chosen


def plain_balls(cloud: Tensor, centers: Tensor, radius: float, count: int) -> Tensor:
    found = []
    for part in centers.split(512):
        outside = torch.cdist(part, cloud) >= radius
        indices = torch.where(outside, len(cloud), torch.arange(len(cloud))).topk(count, 1, largest=False, sorted=True)[
            0
        ]
        found.append(torch.where(indices == len(cloud), indices[:, :1], indices))
    return torch.cat(found)


def plain_three(targets: Tensor, sources: Tensor) -> Tensor:
    return torch.cat([torch.cdist(part, sources).topk(3, 1, largest=False)[1] for part in targets.split(1024)])


def plain_interpolation(features: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    return (features.gather(2, indices.flatten(1).long().expand(features.shape[1], -1)[None]).unflatten(2, (-1, 3))
            * weights).sum(3)  # fmt: skip


def plain_distribution(gradients: Tensor, indices: Tensor, weights: Tensor, count: int) -> Tensor:
    places = indices.flatten(1).long().expand(gradients.shape[1], -1)[None]
    return gradients.new_zeros(1, gradients.shape[1], count).scatter_add_(
        2, places, (gradients[..., None] * weights).flatten(2)
    )


def plain_pooling(inside: np.ndarray, table: np.ndarray, count: int) -> list[np.ndarray]:
    found = [np.flatnonzero(row) for row in inside]
    return [table[np.resize(rows, count)] if len(rows) else np.zeros((count, table.shape[1])) for rows in found]


def proposals(cloud: np.ndarray) -> np.ndarray:
    """(N, 7) a car's box near each point, turned at random, as the first stage gives them."""
    generator = np.random.default_rng(3)
    low, high = [-1.5, -1.5, -1.5, 3.5, 1.4, 1.4, -3.1], [1.5, 1.5, -0.5, 4.5, 1.9, 1.7, 3.1]
    boxes = generator.uniform(low, high, (len(cloud), 7)).astype(np.float32)
    boxes[:, :3] += cloud
    return boxes


def rows(scan: np.ndarray, plain_nms: Callable, plain_membership: Callable) -> list[tuple]:
    """(name, size, call, plain alternative, how much of the work the plain one does is to be multiplied by)."""
    cloud = np.ascontiguousarray(scan[:16384, :3])
    points = torch.from_numpy(cloud)
    sampled = cloud[furthest_points(cloud, 4096)]
    centers = torch.from_numpy(sampled)
    squares, nearest = (torch.from_numpy(found)[None] for found in three_nearest(cloud, sampled))
    weights = squares + 0.1
    few, many = torch.randn(1, 256, 4096), torch.randn(1, 256, 16384)
    grouped = torch.from_numpy(balls(sampled, sampled[:1024], 1.0, 32))[None]
    features, gradients = torch.randn(1, 96, 4096), torch.randn(1, 96, 1024, 32)
    boxes = proposals(cloud)
    bev, scores = boxes[:9000, [0, 1, 3, 4, 6]], np.random.default_rng(4).random(9000)
    pooled, flags = torch.zeros(1, 128, 512, 133), torch.zeros(1, 128, dtype=torch.int32)
    table, regions = torch.randn(1, 16384, 130), torch.from_numpy(boxes[None, :128])
    group = 1, 96, 4096, 1024, 32
    index = grouped.flatten(1).long()[:, None].expand(-1, 96, -1)
    return [
        ("furthest_points", "4,096 of 16,384 points", lambda: furthest_points(cloud, 4096),
         lambda: plain_sampling(points, 4096), 1),
        ("balls", "4,096 of 0.1 m, 16 of 16,384 points", lambda: balls(cloud, sampled, 0.1, 16),
         lambda: plain_balls(points, centers, 0.1, 16), 1),
        ("balls", "4,096 of 0.5 m, 32 of 16,384 points", lambda: balls(cloud, sampled, 0.5, 32),
         lambda: plain_balls(points, centers, 0.5, 32), 1),
        ("three_nearest", "of 4,096 for 16,384 points", lambda: three_nearest(cloud, sampled),
         lambda: plain_three(points, centers), 1),
        ("three_interpolate", "256 channels, 4,096 to 16,384",
         lambda: three_interpolate_forward(few, nearest, weights, torch.empty_like(many), 1, 256, 4096, 16384),
         lambda: plain_interpolation(few, nearest, weights), 1),
        ("its backward pass", "the same",
         lambda: three_interpolate_backward(many, nearest, weights, torch.zeros_like(few), 1, 256, 16384, 4096),
         lambda: plain_distribution(many, nearest, weights, 4096), 1),
        ("group_points", "96 channels, 1,024 x 32 of 4,096",
         lambda: group_points_forward(features, grouped, torch.empty_like(gradients), *group),
         lambda: features[:, :, grouped[0].long()], 1),
        ("its backward pass", "the same",
         lambda: group_points_backward(gradients, grouped, torch.zeros_like(features), *group),
         lambda: torch.zeros_like(features).index_add_(2, index[0, 0], gradients.flatten(2)), 1),
        ("first_boxes", "16,384 points, 16,384 boxes", lambda: first_boxes(cloud, boxes),
         lambda: points_in_boxes(cloud, boxes).argmax(0), 1),
        ("rotated_nms", "9,000 boxes, IoU 0.85", lambda: rotated_nms(bev, scores, 0.85),
         lambda: plain_nms(bev[:90], scores[:90], 0.85), 10_000),
        ("rotated_nms", "9,000 boxes, IoU 0.1", lambda: rotated_nms(bev, scores, 0.1),
         lambda: plain_nms(bev[:90], scores[:90], 0.1), 10_000),
        ("roipoint_pool3d", "512 points, 130 channels, 128 boxes",
         lambda: roipoint_pool3d_forward(points[None], regions, table, pooled, flags),
         lambda: plain_pooling(plain_membership(cloud, boxes[:128]), np.hstack([cloud, table[0].numpy()]), 512), 1),
    ]  # fmt: skip
