"""Furthest point sampling against a loop over all points, with the tie rule of mmcv's CUDA threads."""

import numpy as np
import pytest
import torch

from trainables.ops.point_sampling import furthest_point_sample, furthest_points, furthest_rows


def squares_by_loop(points, chosen):
    """Squared distances to one point in single precision, added in the order of the kernel."""
    shift = points.astype(np.float32) - points.astype(np.float32)[chosen]
    squares = shift * shift
    return (squares[:, 0] + squares[:, 1]) + squares[:, 2]


def sampled_by_loop(count, rows, number):
    """The kernel, thread by thread: `rows(i)` are the distances of all points to point i."""
    threads = min(2 ** int(np.log2(number)), 1024)
    nearest, chosen = [np.float32(1e10)] * number, [0]
    for _ in range(1, count):
        nearest = [min(old, new) for old, new in zip(nearest, rows(chosen[-1]), strict=True)]
        best = []  # of each thread: distance, point
        for thread in range(threads):
            largest, found = -1.0, 0
            for k in range(thread, number, threads):
                if nearest[k] > largest:
                    largest, found = nearest[k], k
            best.append((largest, found))
        while len(best) > 1:
            half = len(best) // 2
            best = [best[t + half] if best[t + half][0] > best[t][0] else best[t] for t in range(half)]
        chosen.append(best[0][1])
    return chosen


def cloud(number, seed=0):
    return np.random.default_rng(seed).uniform(-20, 20, (number, 3)).astype(np.float32)


@pytest.mark.parametrize(("number", "count"), [(2500, 60), (700, 120), (64, 64), (33, 20), (1, 1)])
def test_points_of_a_random_cloud_are_those_of_the_loop(number, count):
    points = cloud(number)
    expected = sampled_by_loop(count, lambda i: squares_by_loop(points, i), number)
    assert furthest_points(points, count).tolist() == expected


@pytest.mark.parametrize("number", [81, 64, 300, 2500])
def test_of_equally_far_points_the_one_is_taken_that_the_threads_agree_on(number):
    corners = np.random.default_rng(number).integers(0, 3, (number, 3)).astype(np.float32)
    expected = sampled_by_loop(40, lambda i: squares_by_loop(corners, i), number)
    assert furthest_points(corners, 40).tolist() == expected


def test_of_four_threads_with_equally_far_points_the_third_comes_before_the_second():
    far = np.array([[0, 0, 0], [3, 0, 0], [0, 3, 0], [0, 0, 3]], np.float32)
    assert furthest_points(far, 2).tolist() == [0, 2]


def test_when_all_points_lie_on_chosen_ones_the_first_comes_again():
    points = np.repeat(cloud(4), 5, axis=0)
    chosen = furthest_points(points, 9)
    assert len({tuple(points[i]) for i in chosen[:4]}) == 4
    assert chosen[4:].tolist() == [0] * 5


def test_more_points_than_there_are_repeat_the_first():
    assert furthest_points(cloud(3), 6).tolist()[3:] == [0, 0, 0]


def test_broken_points_are_not_taken_while_there_are_others():
    points = cloud(40)
    points[[0, 7, 30], [0, 1, 2]] = np.nan, np.inf, -np.inf
    assert set(furthest_points(points, 38).tolist()) == {0} | (set(range(40)) - {7, 30})
    assert furthest_points(np.full((5, 3), np.nan), 4).tolist() == [0, 0, 0, 0]


def test_points_further_apart_than_the_largest_distance_of_mmcv_are_equally_far():
    points = np.array([[0, 0, 0], [9e5, 0, 0], [2e5, 0, 0], [1, 0, 0]], np.float32)
    assert furthest_points(points, 2).tolist() == [0, 2]


def test_rows_of_given_distances_are_sampled_as_their_points_are():
    points = cloud(150)
    distances = np.array([squares_by_loop(points, i) for i in range(150)])
    assert furthest_rows(distances, 40).tolist() == furthest_points(points, 40).tolist()
    unequal = np.random.default_rng(1).uniform(0, 9, (90, 90)).astype(np.float32)
    assert furthest_rows(unequal, 30).tolist() == sampled_by_loop(30, lambda i: unequal[i], 90)


def test_no_points_to_choose_from_are_refused():
    with pytest.raises(ValueError, match="got none"):
        furthest_points(np.zeros((0, 3)), 2)


def test_each_scene_of_a_batch_is_sampled_by_itself():
    clouds = torch.from_numpy(np.stack([cloud(50, 1), cloud(50, 2)])).requires_grad_()
    chosen = furthest_point_sample(clouds, 8)
    assert chosen.dtype == torch.int32
    assert not chosen.requires_grad
    for scene in range(2):
        assert chosen[scene].tolist() == furthest_points(clouds[scene].detach().numpy(), 8).tolist()


@pytest.mark.parametrize("kind", ["D-FPS", "F-FPS", "FS"])
def test_the_samplers_of_mmcv_run_on_the_cpu(kind, lite):
    from mmcv.ops import PointsSampler

    points = torch.from_numpy(cloud(60)).unsqueeze(0)
    features = torch.from_numpy(cloud(60, 3).T.copy()).unsqueeze(0)
    chosen = PointsSampler([10], [kind])(points, features)[0]
    joined = np.hstack([points[0].numpy(), features[0].numpy().T])
    squares = torch.cdist(torch.from_numpy(joined), torch.from_numpy(joined)).square().numpy()
    in_space, by_features = furthest_points(points[0].numpy(), 10).tolist(), furthest_rows(squares, 10).tolist()
    expected = {"D-FPS": in_space, "F-FPS": by_features, "FS": by_features + in_space}
    assert chosen.tolist() == expected[kind]
