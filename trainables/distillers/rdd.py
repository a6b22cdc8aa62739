"""RDD: features and predictions of regions in which student and teacher disagree most (Li et al., ICCV 2023).

Li, Xu, Lin, Yin, Zhang and Cao, "Representation Disparity-aware Distillation for 3D Object Detection". No code
of the method is released, so this is a reconstruction; numbers in brackets are the paper's equations.

Every proposal of the teacher (M of them) is paired with the student's features at the same place, every one of the
student (N) with the teacher's. A patch's features are softened over channels, exp(R / tau) / sum_c exp(R / tau) [2].
Of the M + N pairs those count (m = 1, without gradient) whose representations differ enough [5], and per scan

    L_feature = a1 / (M + N) sum of m_i ||A_i^S - A_i^T||,                                           not squared [8],
    L_logit   = a2 / (M + N) sum of m_i (||p_i^S - p_i^T||_1 + ||b_i^S - b_i^T||_1)                              [9],

p the class scores and b the codes of the anchor or cell that made the proposal, read in both networks; of heads that
find centers p alone. The student's features pass a trained 1x1 convolution, batch norm and ReLU (psi). The paper gives
tau = 4, a1 = a2 = 0.2, lambda = 0.1 and, for tests, the 100 best boxes; with `logit_weight=0` it is its RDD-F, with
`feature_weight=0` its RDD-L. All else it leaves open, each an option whose default is this file's:

- proposals: boxes of a `score`, the `most` best, less those that a better one of the class overlaps (`overlap`);
- patches: `grid` x `grid` places read between cells of the neck's map. `region` lays them over the box; of center heads
  the paper speaks of Gaussian areas of the heatmap;
- psi before the softmax, so that both are distributions over the teacher's channels; `align=after` is [8] as printed;
- which pairs count (`select`). Taken literally [5] selects none, as disparities and lambda are positive. `correlation`
  takes disparity as 1 - r, r Pearson's correlation of the pair's A (of Gaussians the mutual information in [3] is
  -log(1 - r^2) / 2); it does not depend on the scale of features. `distance` is the closed form of [5] once the paper's
  own surrogate [7], minus a distance, is put in: ||A^S - A^T|| > lambda. `fraction` is what the code of the group's
  IDa-Det does (the 60 % that differ most);
- scores are sigmoids, and a code's angle is subtracted like the others [9] unless `angle=sine`;
- the mean over scans; a scan without proposals counts as zero.

In RDD-L psi would never learn, and pairs be chosen by chance: there it learns L_feature of the student's map without
passing a gradient on (`kd_adapter_loss`). Not here: GID, whose form in the paper's table is not said. A region needs a
map: where features lie on points, only `feature_weight=0` with `select=all` has a meaning.
"""

from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.parameters import Called, Range
from trainables.distillers import Distiller
from trainables.distillers.parts import boxes as boxes_of
from trainables.distillers.parts import regions
from trainables.features import Batch, Features, Map, Predictions
from trainables.ops.gathered import gathered

Select = Literal["correlation", "distance", "fraction", "all"]


class RepresentationDisparity(Distiller):
    """Distances of patches and of predictions, added over the pairs that differ enough, per pair there is."""

    reads = ("predictions", "neck")
    weight_range = (0.1, 1000.0)

    class Parameters(Frozen):
        """What the paper says, and every choice that it leaves open."""

        weight: float = Field(1.0, ge=0, description="multiple of the paper's weights; detection losses are far larger")
        feature_weight: float = Field(0.2, ge=0, description="a1, of patches; 0 is RDD-L")
        logit_weight: float = Field(0.2, ge=0, description="a2, of predictions; 0 is RDD-F")
        sources: Literal["both", "teacher", "student"] = Field("both", description="whose proposals make pairs")
        score: float = Field(0.1, ge=0, lt=1, description="proposals have at least this score")
        most: int = Field(100, ge=1, description="best proposals of each network and scan")
        overlap: float = Field(0.2, ge=0, le=1, description="IoU above which the worse of a class is suppressed")
        region: regions.Shape = Field(
            "box", description="turned with the box, the upright rectangle around it, or as large as its Gaussian"
        )
        grid: int = Field(7, ge=2, description="places along each side of a region")
        normalize: Literal["channels", "places", "none"] = Field(
            "channels", description="softmax over the channels of a place, over the places of a channel, or none"
        )
        tau: float = Field(4.0, gt=0, description="divides what the softmax takes")
        align: Literal["before", "after"] = Field("before", description="where the student's adapter is: the softmax")
        select: Select = Field("correlation", description="pairs that count: by correlation, distance or rank, or all")
        threshold: float = Field(0.1, ge=0, description="lambda, that 1 - r or the distance exceeds; 0 takes all")
        share: float = Field(0.6, gt=0, le=1, description="of a scan's pairs, those that differ most")
        angle: Literal["plain", "sine"] = Field("plain", description="difference of angles in the codes, or its sine")

        @model_validator(mode="after")
        def _something_is_distilled(self) -> "RepresentationDisparity.Parameters":
            if not self.feature_weight and not self.logit_weight:
                raise ValueError("feature_weight and logit_weight are both 0, so nothing would be distilled")
            return self

    @classmethod
    def reads_with(cls, parameters: Any) -> tuple[str, ...]:
        """The neck only where patches are looked at."""
        return cls.reads if _looks(parameters) else ("predictions",)

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Leave out what the others leave unread.

        Raises:
            InputError: patches of points are asked for.
        """
        given = cls.Parameters(**parameters)
        if kind == "points" and _looks(given):
            raise InputError(
                "rdd compares regions of a bird's-eye view, and the features of this detector lie on points; "
                "parameters.feature_weight=0 with parameters.select=all compares predictions alone"
            )
        return given.model_dump(exclude=_unread(given))

    @classmethod
    def called(cls, parameters: Any) -> dict[str, Called]:
        """The paper's letters."""
        return {
            **super().called(parameters),
            "parameters.feature_weight": Called(symbol="α1", title="weight of patches"),
            "parameters.logit_weight": Called(symbol="α2", title="weight of predictions"),
            "parameters.threshold": Called(symbol="λ", title="disparity that a pair exceeds"),
            "parameters.share": Called(symbol="share", title="share of the pairs that count"),
            "parameters.tau": Called(symbol="τ", title="temperature of the features"),
            "parameters.score": Called(symbol="score", title="least score of a proposal"),
            "parameters.most": Called(symbol="most", title="proposals per network and frame"),
            "parameters.grid": Called(symbol="grid", title="places along a region's side"),
        }

    @classmethod
    def search_space(cls, parameters: Any) -> dict[str, Range]:
        """The weight, how many proposals there are and, where they are read, what chooses pairs and softens."""
        far = 10.0 if parameters.select == "distance" else 0.5
        space = {
            "most": Range(low=10, high=300, log=True, integer=True),
            "threshold": Range(low=1e-3, high=far, log=True),
            "share": Range(low=0.1, high=0.9),
            "tau": Range(low=0.5, high=32.0, log=True),
        }
        unread = _unread(parameters)
        own = {f"parameters.{name}": searched for name, searched in space.items() if name not in unread}
        return {**super().search_space(parameters), **own}

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        if _looks(parameters):
            narrow, wide = (features.neck.values.shape[1] for features in (student, teacher))
            self.adapter = nn.Sequential(nn.Conv1d(narrow, wide, 1, bias=False), nn.BatchNorm1d(wide), nn.ReLU())

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_feature_loss` (of RDD-L `kd_adapter_loss`) and `kd_logit_loss`; and what was compared.

        `kd_teacher_regions` and `kd_student_regions` are M and N, means over scans; `kd_selected` is the share of all
        pairs that counts, `kd_distance` their mean ||A^S - A^T||.
        """
        options = self.options
        whose = {"teacher": teacher, "student": student}
        found = {name: self._proposals(read) for name, read in whose.items() if options.sources in ("both", name)}
        pairs = [boxes_of.joined(scan) for scan in zip(*found.values(), strict=True)]
        losses, told = self._compared(student, teacher, pairs) if sum(map(_size, pairs)) else self._nothing(student)
        sizes = {f"kd_{name}_regions": sum(map(_size, scans)) / len(pairs) for name, scans in found.items()}
        zero = next(iter(losses.values())).detach() * 0
        return {**losses, **told, **{name: zero + size for name, size in sizes.items()}}

    def _proposals(self, features: Features) -> list[boxes_of.Detections]:
        """What a network proposes in each scan; of a teacher that is shared it is asked once."""
        score, most, overlap = self.options.score, self.options.most, self.options.overlap

        def proposed() -> list[boxes_of.Detections]:
            return boxes_of.suppressed(boxes_of.confident(features.predictions, score, most), overlap)

        return features.once(("proposals", score, most, overlap), proposed)

    def _compared(
        self, student: Features, teacher: Features, pairs: list[boxes_of.Detections]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses, and what is told of them, where there is any pair."""
        options, losses, told = self.options, {}, {}
        counts = list(map(_size, pairs))
        each = [1 / (n * len(counts)) for n in counts for _ in range(n)]
        logits = student.predictions.logits
        factors = torch.tensor(each, dtype=logits.dtype).to(logits.device, non_blocking=True)
        if _looks(options):
            mine, its = self._patches(student.neck, teacher.neck, pairs)
            away = torch.linalg.vector_norm((mine - its).flatten(1), dim=1)  # subgradient 0 at 0
            chosen = self._chosen(mine.detach(), its, away.detach(), counts)
            told = {"kd_selected": chosen.mean(), "kd_distance": away.detach().mean()}
            factors = factors * chosen
            name = "kd_feature_loss" if options.feature_weight else "kd_adapter_loss"
            losses[name] = (options.feature_weight or 1) * (factors * away).sum()
        if options.logit_weight:
            apart = disagreement(student.predictions, teacher.predictions, pairs, options.angle)
            losses["kd_logit_loss"] = options.logit_weight * (factors * apart).sum()
        return losses, told

    def _nothing(self, student: Features) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The same without a pair: zeros that still reach every parameter."""
        predictions = student.predictions
        zero = 0 * (predictions.logits.sum() + predictions.codes.sum() + sum(p.sum() for p in self.parameters()))
        names = ["kd_logit_loss"] if self.options.logit_weight else []
        if not _looks(self.options):
            return dict.fromkeys(names, zero), {}
        names.append("kd_feature_loss" if self.options.feature_weight else "kd_adapter_loss")
        zero = zero + 0 * student.neck.values.sum()
        return dict.fromkeys(names, zero), dict.fromkeys(("kd_selected", "kd_distance"), zero.detach())

    def _patches(self, student: Map, teacher: Map, pairs: list[boxes_of.Detections]) -> tuple[Tensor, Tensor]:
        """A^S and A^T: R x C x P of all scans' R pairs, C the teacher's channels and P the places of a region."""
        options = self.options
        values = student.values if options.feature_weight else student.values.detach()
        if options.align == "before":
            values = self.adapter(values.flatten(2)).unflatten(2, values.shape[2:])
        mine = self._softened(self._sampled(replace(student, values=values), pairs))
        its = self._softened(self._sampled(teacher, pairs)).detach()
        return mine if options.align == "before" else self.adapter(mine), its

    def _sampled(self, read: Map, pairs: list[boxes_of.Detections]) -> Tensor:
        """R x C x P, before their softmax."""
        shape, grid = self.options.region, self.options.grid
        found = [(scan, of_scan.boxes) for scan, of_scan in enumerate(pairs) if _size(of_scan)]
        places = [(scan, regions.places_over(boxes, shape, grid, read, scan)) for scan, boxes in found]
        return torch.cat([regions.sampled(read, scan, at) for scan, at in places])

    def _softened(self, patches: Tensor) -> Tensor:
        options = self.options
        if options.normalize == "none":
            return patches
        return (patches / options.tau).softmax(1 if options.normalize == "channels" else 2)

    def _chosen(self, mine: Tensor, its: Tensor, away: Tensor, counts: list[int]) -> Tensor:
        """m: R, 1 of a pair that counts and else 0."""
        options = self.options
        if options.select == "all":
            return torch.ones_like(away)
        if options.select == "fraction":
            return torch.cat([farthest(of_scan, options.share) for of_scan in away.split(counts)])
        disparity = away if options.select == "distance" else 1 - correlation(mine, its)
        return (disparity > options.threshold).to(away)


def farthest(away: Tensor, share: float) -> Tensor:
    """M, 1 of the share of M distances that is largest (at least one, of any) and 0 of the others."""
    order = away.argsort(descending=True, stable=True)
    return torch.zeros_like(away).index_fill(0, order[: max(1, round(share * len(away)))], 1)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation over all the numbers of each of M pairs; 0 where one of the two is constant.

    Args:
        one, other: M x ....
    """
    one, other = (x.flatten(1) - x.flatten(1).mean(1, keepdim=True) for x in (one, other))
    lengths = torch.linalg.vector_norm(one, dim=1) * torch.linalg.vector_norm(other, dim=1)
    return (one * other).sum(1) / lengths.clamp(min=1e-12)


def disagreement(
    student: Predictions, teacher: Predictions, pairs: list[boxes_of.Detections], angle: Literal["plain", "sine"]
) -> Tensor:
    """How far two heads are apart where boxes were found, one scan after the other.

    Returns:
        R: absolute differences of scores, added over classes, and of codes where they are an anchor's.
    """
    anchors = student.logits.shape[1]
    rows = torch.cat([found.anchors + scan * anchors for scan, found in enumerate(pairs)])

    def both(name: str) -> list[Tensor]:
        mine, its = (getattr(head, name).flatten(0, 1) for head in (student, teacher))
        return [gathered(mine, rows), its.detach()[rows]]

    scores = [logits.sigmoid() for logits in both("logits")]
    apart = (scores[0] - scores[1]).abs().sum(1)
    if student.angle is None:
        return apart
    mine, its = both("codes")
    return apart + boxes_of.code_difference(mine, its, student.angle if angle == "sine" else None).abs().sum(1)


def _size(found: boxes_of.Detections) -> int:
    return len(found.anchors)


def _looks(options: Any) -> bool:
    """Whether patches are looked at, to be learned from or to choose by."""
    return options.feature_weight > 0 or options.select != "all"


def _unread(options: Any) -> set[str]:
    """Hyper-parameters that the others leave unread."""
    unread = {"threshold"} if options.select in ("fraction", "all") else set()
    unread |= {"share"} if options.select != "fraction" else set()
    unread |= {"tau"} if options.normalize == "none" else set()
    unread |= {"angle"} if not options.logit_weight else set()
    return unread if _looks(options) else unread | {"region", "grid", "normalize", "align", "tau"}
