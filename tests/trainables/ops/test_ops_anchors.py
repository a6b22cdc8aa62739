"""Anchors are made once for a size of map, and are those that mmdet3d makes."""

import torch

from trainables.ops.setup import bridge

bridge.install()

from mmdet3d.models.task_modules import AlignedAnchor3DRangeGenerator, Anchor3DRangeGenerator  # noqa: E402

GIVEN = {"ranges": [[0, -4, -1.78, 8, 4, -1.78]], "sizes": [[3.9, 1.6, 1.56]], "rotations": [0, 1.57]}


def test_equal_generators_share_anchors_and_others_have_their_own():
    make = Anchor3DRangeGenerator.grid_anchors.__wrapped__
    generators = [
        Anchor3DRangeGenerator(**GIVEN, reshape_out=False),
        Anchor3DRangeGenerator(**{**GIVEN, "sizes": [[0.8, 0.6, 1.73]]}, reshape_out=False),
        AlignedAnchor3DRangeGenerator(**GIVEN, reshape_out=False),
        AlignedAnchor3DRangeGenerator(**GIVEN, align_corner=True, reshape_out=False),
    ]
    seen = set()
    for generator in generators:
        for size in ((4, 4), (8, 4)):
            (found,) = generator.grid_anchors([torch.Size(size)], device="cpu")
            assert torch.equal(found, make(generator, [size], device="cpu")[0])
            assert generator.grid_anchors([size], device="cpu")[0] is found
            seen.add(found.data_ptr())
    assert len(seen) == 8
    again = Anchor3DRangeGenerator(**GIVEN, reshape_out=False)
    assert again.grid_anchors([(4, 4)], device="cpu")[0] is generators[0].grid_anchors([(4, 4)], device="cpu")[0]
