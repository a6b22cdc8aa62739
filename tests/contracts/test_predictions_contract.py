"""What every detector family must say of its boxes: how they are decoded, where they stand, what is learned of them."""

import copy

import pytest
import torch

from tests.trainables.detectors_read import batch_of, build, read
from tests.trainables.small_detectors import head_of, moving, scans
from trainables import detectors
from trainables.features import Batch, Features
from trainables.training.reader import Reader


@pytest.fixture(params=detectors.names())
def family(request) -> str:
    return request.param


def test_decoded_boxes_are_those_that_the_detector_itself_decodes(family):
    network = build(family)
    torch.manual_seed(0)
    head = head_of(network)
    for parameter in head.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    batch = batch_of(network, family, [900])  # mmdet3d's PointRCNN predicts one scan at a time
    decoded = []
    own = head.bbox_coder.decode

    def listen(*args, **kwargs):
        decoded.append(own(*args, **kwargs))
        return decoded[-1]

    head.bbox_coder.decode = listen
    network.predict(copy.deepcopy(batch.inputs), copy.deepcopy(batch.samples))
    del head.bbox_coder.decode
    assert decoded
    predictions = read(network, family, batch).predictions
    every = predictions.decode(0, torch.arange(predictions.codes.shape[1]))
    assert every.shape[1] == (9 if moving(family) else 7)
    if predictions.foreground is not None:  # centers are decoded together, and cut off below a score
        theirs = torch.cat([scan["bboxes"] for task in decoded for scan in task])
    elif hasattr(head, "prior_generator"):  # anchor boxes of mmdet3d stand on their bottom; each level is decoded alone
        theirs = torch.cat(decoded)
        theirs = torch.cat([theirs[:, :2], theirs[:, 2:3] + theirs[:, 5:6] / 2, theirs[:, 3:]], dim=1)
    else:
        theirs = decoded[0]
    assert len(theirs)
    distance = torch.cdist(theirs.double(), every.double()).amin(1)
    assert distance.max() < 1e-3


def test_a_decoded_box_has_a_gradient(family):
    network = build(family)
    spec = detectors.load(family)
    batch = batch_of(network, family)
    features, _ = Reader(network, spec, ("predictions",)).features_and_losses(batch, batch)
    features.predictions.decode(1, torch.tensor([0, 3])).sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert features.predictions.decode(0, torch.tensor([], dtype=torch.long)).shape == (0, 9 if moving(family) else 7)


def test_what_the_head_learns_at_every_anchor_or_point_follows_from_the_objects(family):
    network = build(family)
    batch = batch_of(network, family)
    reader = Reader(network, detectors.load(family), ("predictions", "neck"))
    places = reader.features(batch).neck.position[0]
    for sample in batch.samples:  # objects that lie as anchors do
        truth = sample.gt_instances_3d.bboxes_3d.tensor
        truth[:, :2] = places[torch.cdist(truth[:, :2], places[:, :2]).argmin(1), :2]
        truth[:, 6] = 0
    features, _ = reader.features_and_losses(batch, batch)
    learned = features.predictions.assign(batch)
    assert learned.shape == features.predictions.logits.shape[:2]
    assert {-1, 2} <= set(learned.unique().tolist()) <= {-2, -1, 0, 2}
    boxes, labels = batch.objects(0)  # still there, although mmdet3d's losses and assigners have used them
    places = places_of_anchors(features, family)
    near = [
        torch.cdist(places[learned[0] == label][:, :2], box[None, :2]) for box, label in zip(boxes, labels, strict=True)
    ]
    assert all(away.max() < 2 for away in near if len(away))
    empty = Batch(batch.inputs, scans(family, [900, 700], objects=False)["data_samples"])
    assert (features.predictions.assign(empty) == -1).all()


def places_of_anchors(features: Features, family: str) -> torch.Tensor:
    """Where every anchor stands: level by level, each with cells of twice the edge; at a place one after the other."""
    read, wanted = features.neck, features.predictions.logits.shape[1]
    levels = [read.position[0]]
    while sum(map(len, levels)) * features.predictions.at_a_place < wanted:
        height, width = (size // 2 ** (len(levels) - 1) for size in read.values.shape[2:])
        finer = levels[-1].view(height // 2, 2, width // 2, 2, 3)
        levels.append(finer.mean((1, 3)).flatten(0, 1))
    places = torch.cat(levels).repeat_interleave(features.predictions.at_a_place, dim=0)
    assert len(places) == wanted
    return places


def test_heads_that_find_centers_say_how_near_every_cell_is_to_one(family):
    network = build(family)
    batch = batch_of(network, family)
    features, _ = Reader(network, detectors.load(family), ("predictions", "neck")).features_and_losses(batch, batch)
    if features.predictions.foreground is None:
        return
    near, learned = features.predictions.foreground(batch), features.predictions.assign(batch)
    assert near.shape == learned.shape
    assert torch.equal(near == 1, learned >= 0)
    assert ((near > 0) & (near < 1)).any()
    logits = features.predictions.logits.detach()
    assert (logits.gather(2, learned.clamp(min=0)[..., None]).squeeze(2)[learned >= 0] > -10).all()
