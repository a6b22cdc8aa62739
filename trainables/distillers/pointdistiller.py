"""PointDistiller: local distillation (LD) and reweighted learning (RL) on the N most important rows.

Zhang, Dong, Tai and Ma, "PointDistiller: Structured Knowledge Distillation Towards Efficient and Compact 3D
Detection" (2022), equations 1 and 2; released code: github.com/RunpeiDong/PointDistiller at a5dc465baea5.

One formula with two switches: the mean over the N most important rows of w_i D(S_i, T_i), times `weight`.
LD (`local`): S_i and T_i are graph features, a dynamic graph convolution over the K nearest rows of row i (nearest in
the teacher's features), one trained convolution per network. Without LD they are the rows themselves, the student's
through a trained linear adapter (the released code has no such branch: this is our reading of Table 5's "RL only").
RL (`reweight`): w = N softmax(importance / temperature) over the N rows. Without RL w = 1.

`form=paper` follows the equations, `form=released` the released code: it sets the default of every difference that
`Parameters` names, and each can be set alone (parts/pointdistiller_presets.py). The equations' factor 1/N is taken as
the mean over rows, with w scaled to mean 1, so that LD alone and LD + RL have losses of one size.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.parameters import Called, Range
from trainables.distillers import Distiller
from trainables.distillers.parts.neighbor_graphs import GraphConvolution, neighbors_of
from trainables.distillers.parts.pointdistiller_presets import Form, completed
from trainables.distillers.parts.row_distance import row_distance, whole_distance
from trainables.distillers.parts.row_selection import Chosen, Scope, Selection, choose, select
from trainables.features import Batch, Features, Rows
from trainables.ops.gathered import gathered

T = TypeVar("T")


class PointDistiller(Distiller):
    """Mean over the N most important rows of w_i D(S_i, T_i), summed over the detector's row sets (levels)."""

    reads = ("rows",)

    class Parameters(Frozen):
        """K, N, tau, the switches, and every difference between the paper and its released code.

        The defaults here are those of `form=paper` for pillars; `complete` has those of the form and the detector.
        """

        form: Form = Field("paper", description="sets the default of everything below")
        local: bool = Field(True, description="LD: distill local graphs instead of single rows")
        reweight: bool = Field(True, description="RL: weight rows by importance")
        neighbors: int = Field(128, ge=1, description="K, rows per local graph, the center included")
        samples: int | float = Field(6000, gt=0, description="N distilled rows, or below 1 a share of all rows")
        temperature: float = Field(10.0, gt=0, description="tau, in the unit of the importance (points)")
        weight: float = Field(1.0, ge=0, description="factor of the loss")
        scope: Scope = Field("batch", description="N rows of each scan, or of a batch (of one process)")
        neighbor_scope: Scope = Field("scan", description="neighbors lie in the same scan, or anywhere in the batch")
        neighbor_space: Literal["feature", "position"] = Field("feature", description="where K nearest is measured")
        shortfall: Literal["clamp", "raise"] = Field(
            "clamp", description="when fewer than N rows exist, as in an epoch's last, smaller batch"
        )
        selection: Selection = Field(
            "top", description="the N most important, the least, half and half, half of the most and a draw, or a draw"
        )
        importance: Literal["points", "feature"] = Field(
            "points", description="LiDAR points in the row's voxel, or the teacher's largest channel"
        )
        edge: Literal["concat", "difference"] = Field("concat", description="(x_i, x_j) or (x_i - x_j, x_i)")
        aggregate: Literal["max", "mean", "none"] = Field("max", description="over the K edges of a graph")
        distance: Literal["norm", "mse", "frobenius"] = Field(
            "norm", description="per row ||d||, per row mean of d^2, or ||d|| of the whole batch (ignores w)"
        )
        reweight_by: Literal["importance", "graph"] = Field(
            "importance", description="softmax of the row's importance, or of its largest graph feature of the teacher"
        )
        reweight_over: Literal["graphs", "one", "none"] = Field(
            "graphs", description="softmax over the N rows; over an axis of size one (constant B); never applied"
        )
        graph_channels: Annotated[int, Field(ge=1)] | Literal["student"] = Field(
            "student", description="C' of the graphs, at least 1, or `student`: the width of its rows"
        )
        teacher_mode: Literal["eval", "train"] = Field("eval", description="the teacher's batch norm")
        freeze_teacher_graph: bool = Field(False, description="keep the teacher's graph convolution untrained")

        @model_validator(mode="after")
        def _samples_are_rows_or_a_share(self) -> "PointDistiller.Parameters":
            if self.samples >= 1 and self.samples != int(self.samples):
                raise ValueError(f"samples is a whole number of rows, or a share below 1; got {self.samples}")
            return self

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Fill in what the form says for this kind of rows; leave out what the switches leave unread."""
        set_by_hand = cls.Parameters(**parameters)
        switches = set_by_hand.model_dump(include={"form", "local", "reweight"})
        return completed({**switches, **set_by_hand.model_dump(exclude_unset=True)}, kind)

    @classmethod
    def as_released(cls, parameters: dict[str, Any], released: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """`form=released` has what the detector says of the code, beneath what was set."""
        return (
            {**released.get("pointdistiller", {}), **parameters} if parameters.get("form") == "released" else parameters
        )

    @classmethod
    def called(cls, parameters: Any) -> dict[str, Called]:
        """The paper's letters; the unit of tau is that of what it divides."""
        unit = "points per pillar" if _divides_points(parameters) else "the feature's unit"
        whole = "batch" if parameters.scope == "batch" else "frame"
        return {
            "parameters.neighbors": Called(symbol="K", title="neighbors per local graph"),
            "parameters.samples": Called(symbol="N", title=f"distilled rows per {whole}"),
            "parameters.temperature": Called(symbol="τ", title="temperature of the weights", unit=unit),
            "parameters.local": Called(symbol="LD", title="local distillation", switch=True),
            "parameters.reweight": Called(symbol="RL", title="reweighted learning", switch=True),
        }

    @classmethod
    def search_space(cls, parameters: Any) -> dict[str, Range]:
        """K and tau where they are read, N, and the switches. A frame in view of the camera has some 5,500 pillars."""
        local, reweight = {"parameters.local": True}, {"parameters.reweight": True}
        tau = (0.5, 50.0) if _divides_points(parameters) else (0.05, 5.0)
        most = 12000 if parameters.scope == "batch" else 4000
        return {
            "parameters.neighbors": Range(low=4, high=256, log=True, integer=True, when=local),
            "parameters.samples": Range(low=64, high=most, log=True, integer=True),
            "parameters.temperature": Range(low=tau[0], high=tau[1], log=True, when=reweight),
            "parameters.local": Range(choices=(True, False)),
            "parameters.reweight": Range(choices=(True, False)),
        }

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        options = self.options = parameters
        for rows in teacher.rows:
            _check(options, rows)
        widths = [(s.values.shape[1], t.values.shape[1]) for s, t in zip(student.rows, teacher.rows, strict=True)]
        if not options.local:
            self.adapters = nn.ModuleList(nn.Linear(narrow, wide) for narrow, wide in widths)
            return
        out = [narrow if options.graph_channels == "student" else options.graph_channels for narrow, _ in widths]
        pairs = list(zip(widths, out, strict=True))
        self.most_neighbors = options.neighbors
        """That are looked for, in the pass that others with the same rows share; of them the nearest are taken."""
        self.student_graphs = nn.ModuleList(GraphConvolution(narrow, c, options.edge) for (narrow, _), c in pairs)
        self.teacher_graphs = nn.ModuleList(GraphConvolution(wide, c, options.edge) for (_, wide), c in pairs)
        if options.freeze_teacher_graph:
            self.teacher_graphs.requires_grad_(False)

    def beside(self, others: Sequence[Distiller]) -> None:
        """Look for as many neighbors as anyone wants who distills the same rows."""
        if self.options.local and self._rows() is not None:
            same = [one for one in _point_distillers(others) if one.options.local and one._rows() == self._rows()]
            self.most_neighbors = max(one.options.neighbors for one in [*same, self])

    def _rows(self) -> tuple[Any, ...] | None:
        """What says which rows are distilled and where their neighbors are; None where chance decides."""
        options = self.options
        if options.selection in ("random", "drawn"):
            return None
        names = ("samples", "selection", "shortfall", "scope", "importance", "neighbor_scope", "neighbor_space")
        return tuple(getattr(options, name) for name in names)

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, how many rows were chosen of how many (per scan or batch, as N), and in how many the weights are.

        `rows_chosen` below N says that there were no more; `rows_in_effect` is (sum w)^2 / sum w^2. All are means over
        scans and levels.
        """
        options = self.options
        importance = [importance_of(options, rows) for rows in teacher.rows]
        scan = [rows.scan for rows in teacher.rows]
        chosen = self._shared(
            teacher, "chosen", lambda: choose(importance, scan, batch.scans, options.scope, self._select)
        )
        levels = zip(student.rows, teacher.rows, importance, chosen, strict=True)
        found = [self._distill(number, teacher, *level) for number, level in enumerate(levels)]
        losses, support = zip(*found, strict=True)
        sets = sum(len(picked.counts(options.scope)) for picked in chosen) or 1
        terms = {
            "kd_loss": torch.stack(losses).sum(),
            "rows_chosen": losses[0].new_full((), sum(len(picked.rows) for picked in chosen) / sets),
            "rows_there": losses[0].new_full((), sum(picked.starts[-1] for picked in chosen) / sets),
        }
        if options.reweight:
            terms["rows_in_effect"] = torch.stack(support).mean()
        return terms

    def _shared(self, teacher: Features, what: Hashable, make: Callable[[], T]) -> T:
        """What follows from the teacher and the choice of rows alone, for all who choose alike."""
        rows = self._rows()
        return make() if rows is None else teacher.once((what, rows), make)

    def _neighbors(self, level: int, features: Features, chosen: Chosen) -> list[Tensor]:
        options, teacher = self.options, features.rows[level]
        most = self.most_neighbors
        near = self._shared(
            features, (level, most),
            lambda: neighbors_of(chosen, teacher, most, options.neighbor_scope, options.neighbor_space),
        )  # fmt: skip
        return [each[:, : options.neighbors] for each in near]

    def _select(self, importance: Tensor) -> Tensor:
        options = self.options
        return select(importance, options.samples, options.selection, options.shortfall, self.generator)

    def _distill(
        self, level: int, features: Features, student: Rows, teacher: Rows, importance: Tensor, chosen: Chosen
    ) -> tuple[Tensor, Tensor]:
        """Loss and `rows_in_effect` of one row set."""
        options, rows, wide = self.options, chosen.rows, teacher.values.detach()
        if options.local:
            near = self._neighbors(level, features, chosen)
            if sum(each.numel() for each in near) < 2:  # the graphs' norm needs two edges
                return self._nothing(student.values)
            ours = [self._aggregate(graphs) for graphs in self.student_graphs[level](student.values, rows, near)]
            theirs = [self._aggregate(graphs) for graphs in self.teacher_graphs[level](wide, rows, near)]
        elif len(rows):
            ours, theirs = [self.adapters[level](gathered(student.values, rows))], [wide[rows]]
        else:
            return self._nothing(student.values)
        counts = chosen.counts(options.scope)
        if options.reweight_by == "importance":
            source = importance[rows]
        else:
            source = torch.cat([graphs.detach().flatten(1).amax(1) for graphs in theirs])
        weights = [self._weights(part, len(counts)) for part in source.split(counts)]
        support = torch.stack([w.sum().square() / w.square().sum() for w in weights]).mean()
        if options.distance == "frobenius":
            return whole_distance(ours, theirs), support
        away = torch.cat([row_distance(s, t, options.distance) for s, t in zip(ours, theirs, strict=True)])
        losses = [(w * d).mean() for w, d in zip(weights, away.split(counts), strict=True)]
        return torch.stack(losses).mean(), support

    def _nothing(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """A zero that still reaches every parameter."""
        zero = values.sum() * 0 + sum(parameter.sum() * 0 for parameter in self.parameters())
        return zero, values.new_zeros(())

    def _aggregate(self, graphs: Tensor) -> Tensor:
        if self.options.aggregate == "max":
            return graphs.amax(1)
        return graphs.mean(1) if self.options.aggregate == "mean" else graphs

    def _weights(self, source: Tensor, scans: int) -> Tensor:
        """w of N rows: N softmax(source / tau), or what the released code makes of it."""
        over = self.options.reweight_over if self.options.reweight else "none"
        if over == "none":
            return torch.ones_like(source)
        if over == "one":  # the released softmax over an axis of size one, times the batch size
            return torch.full_like(source, float(scans))
        return len(source) * torch.softmax(source / self.options.temperature, dim=0)


def _point_distillers(methods: Iterable[Distiller]) -> Iterator[PointDistiller]:
    """Those among methods and the parts of combinations."""
    for method in methods:
        yield from (part for part in method.modules() if isinstance(part, PointDistiller))


def _divides_points(parameters: Any) -> bool:
    """Whether tau divides numbers of LiDAR points."""
    return parameters.importance == "points" and parameters.reweight_by != "graph"


def importance_of(options: "PointDistiller.Parameters", rows: Rows) -> Any:
    """R; of rows without points `_check` has refused to ask for them."""
    return rows.count if options.importance == "points" else rows.values.detach().amax(1)


def _check(options: "PointDistiller.Parameters", rows: Rows) -> None:
    """Refuse what no batch could serve.

    Raises:
        InputError: rows without points are ranked by their points, or a scan's fixed number of cells is too small.
    """
    if options.importance == "points" and rows.count is None:
        raise InputError(f"importance=points needs voxels; {rows.kind} hold no points, use importance=feature")
    # Of the rows' kinds only cells are as many in the probe, one scan, as in training.
    fixed = rows.kind == "cells" and options.scope == "scan" and options.shortfall == "raise"
    if fixed and options.samples > len(rows.values):
        raise InputError(
            f"parameters.samples={options.samples} rows of each scan are asked for, which has {len(rows.values)} "
            "cells; parameters.shortfall=clamp takes those"
        )
