"""PointDistiller: local distillation (LD) and reweighted learning (RL) on the N most important rows.

Zhang, Dong, Tai and Ma, "PointDistiller: Structured Knowledge Distillation Towards Efficient and Compact 3D
Detection" (2022), equations 1 and 2; released code: github.com/RunpeiDong/PointDistiller at a5dc465baea5.

One formula with two switches: the mean over the N most important rows of w_i D(S_i, T_i), times `weight`.
LD (`local`): S_i and T_i are graph features, a dynamic graph convolution over the K nearest rows of row i (nearest in
the teacher's features), one trained convolution per network. Without LD they are the rows themselves, the student's
through a trained linear adapter (the released code has no such branch: this is our reading of Table 5's "RL only").
RL (`reweight`): w = N softmax(importance / temperature) over the N rows. Without RL w = 1.

`form=paper` follows the equations, `form=released` the released code: it sets the default of every difference that
`Parameters` names, and each can be set alone. The equations' factor 1/N is taken as the mean over rows, with w scaled
to mean 1, so that LD alone and LD + RL have losses of one size.
"""

from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from study.nouns.parameters import Called, Range
from trainables.distillers import Distiller
from trainables.distillers.parts.neighbor_graphs import GraphConvolution, neighbors_of, select
from trainables.features import Batch, Features, Rows

_PAPER = {
    "neighbors": 128, "samples": 6000, "temperature": 10.0, "weight": 1.0, "scope": "scan", "shortfall": "clamp",
    "selection": "top", "importance": "points", "neighbor_space": "feature", "edge": "concat", "aggregate": "max",
    "distance": "norm", "reweight_by": "importance", "reweight_over": "graphs", "teacher_mode": "eval",
    "freeze_teacher_graph": False, "graph_channels": None,
}  # fmt: skip
_PAPER_FOR = {
    "pillars": {},
    "cells": {"importance": "feature", "samples": 256, "temperature": 1.0},
    "points": {"importance": "feature", "reweight_by": "graph", "temperature": 1.0},
}
_RELEASED = {
    **_PAPER, "temperature": 1e-2, "weight": 2.0, "scope": "batch", "shortfall": "raise", "aggregate": "none",
    "distance": "mse", "teacher_mode": "train", "graph_channels": 32,
}  # fmt: skip
_RELEASED_FOR = {
    "pillars": {},
    "cells": {"importance": "feature", "samples": 256, "temperature": 1e-4, "scope": "scan", "reweight_over": "one"},
    "points": {"importance": "feature", "temperature": 1e-3, "scope": "scan", "aggregate": "max",
               "reweight_over": "none"},
}  # fmt: skip


class PointDistiller(Distiller):
    """Mean over the N most important rows of w_i D(S_i, T_i), summed over the detector's row sets (levels)."""

    reads = ("rows",)

    class Parameters(Frozen):
        """K, N, tau, the switches, and every difference between the paper and its released code (D1 to D18)."""

        form: Literal["paper", "released"] = Field("paper", description="sets the default of everything below")
        local: bool = Field(True, description="LD: distill local graphs instead of single rows")
        reweight: bool = Field(True, description="RL: weight rows by importance")
        neighbors: int | None = Field(None, ge=1, description="K, rows per local graph, the center included")
        samples: int | float | None = Field(None, gt=0, description="N distilled rows, or below 1 a share of all rows")
        temperature: float | None = Field(None, gt=0, description="tau, in the unit of the importance (points)")
        weight: float | None = Field(None, ge=0, description="factor of the loss")
        scope: Literal["scan", "batch"] | None = Field(None, description="N and K within each scan or across a batch")
        shortfall: Literal["clamp", "raise"] | None = Field(None, description="when fewer than N rows exist")
        selection: Literal["top", "random", "mixed"] | None = Field(None, description="which rows are the N")
        importance: Literal["points", "feature"] | None = Field(
            None, description="LiDAR points in the row's voxel, or the teacher's largest channel"
        )
        neighbor_space: Literal["feature", "position"] | None = Field(None, description="where K nearest is measured")
        edge: Literal["concat", "difference"] | None = Field(None, description="(x_i, x_j) or (x_i - x_j, x_i)")
        aggregate: Literal["max", "mean", "none"] | None = Field(None, description="over the K edges of a graph")
        distance: Literal["norm", "mse", "frobenius"] | None = Field(
            None, description="per row ||d||, per row mean of d^2, or ||d|| of the whole tensor (ignores w)"
        )
        reweight_by: Literal["importance", "graph"] | None = Field(
            None, description="softmax of the row's importance, or of its largest graph feature of the teacher"
        )
        reweight_over: Literal["graphs", "one", "none"] | None = Field(
            None, description="softmax over the N rows; over an axis of size one (constant B); computed, never applied"
        )
        graph_channels: int | None = Field(None, ge=1, description="C' of the graphs; null is the student's width")
        teacher_mode: Literal["eval", "train"] | None = Field(None, description="the teacher's batch norm")
        freeze_teacher_graph: bool | None = Field(None, description="keep the teacher's graph convolution untrained")

        @model_validator(mode="after")
        def _samples_are_rows_or_a_share(self) -> "PointDistiller.Parameters":
            if self.samples is not None and self.samples >= 1 and self.samples != int(self.samples):
                raise ValueError(f"samples is a whole number of rows, or a share below 1; got {self.samples}")
            return self

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Fill in what the form says for this kind of rows; drop K without LD and tau without RL."""
        given = {name: value for name, value in cls.Parameters(**parameters).model_dump().items() if value is not None}
        released = given["form"] == "released"
        defaults = {**(_RELEASED if released else _PAPER), **(_RELEASED_FOR if released else _PAPER_FOR)[kind]}
        if released and kind == "pillars" and not given["reweight"]:
            defaults.update(distance="frobenius", weight=5e-4)
        whole = {**defaults, **given}
        if not whole["local"]:
            whole.update(neighbors=None, aggregate=None, edge=None, neighbor_space=None, graph_channels=None)
            whole.update(freeze_teacher_graph=None)
            if whole["reweight_by"] == "graph":
                whole["reweight_by"] = "importance"
        if not whole["reweight"]:
            whole.update(temperature=None, reweight_by=None, reweight_over=None)
        return whole

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
        """K and tau where they are read, N, and the switches. A KITTI frame has about 5,500 pillars."""
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
        self.options: Any = parameters  # complete: None only where the form does not read a value
        options = self.options
        self.teacher_mode = options.teacher_mode or "eval"
        for rows in teacher.rows:
            if options.importance == "points" and rows.count is None:
                raise InputError(f"importance=points needs voxels; {rows.kind} hold no points, use importance=feature")
        widths = [(s.values.shape[1], t.values.shape[1]) for s, t in zip(student.rows, teacher.rows, strict=True)]
        if not options.local:
            self.adapters = nn.ModuleList(nn.Linear(narrow, wide) for narrow, wide in widths)
            return
        edge = options.edge or "concat"
        self.student_graphs = nn.ModuleList(
            GraphConvolution(narrow, options.graph_channels or narrow, edge) for narrow, _ in widths
        )
        self.teacher_graphs = nn.ModuleList(
            GraphConvolution(wide, options.graph_channels or narrow, edge) for narrow, wide in widths
        )
        if options.freeze_teacher_graph:
            self.teacher_graphs.requires_grad_(False)

    def forward(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, and `rows_in_effect`: (sum w)^2 / sum w^2, how many of the N rows the weights leave."""
        losses, support = [], []
        for level, (narrow, wide) in enumerate(zip(student.rows, teacher.rows, strict=True)):
            loss, effective = self._distill(level, narrow, wide)
            losses.append(loss)
            support.append(effective)
        terms = {"kd_loss": self.options.weight * torch.stack(losses).sum()}
        if self.options.reweight:
            terms["rows_in_effect"] = torch.stack(support).mean()
        return terms

    def _distill(self, level: int, student: Rows, teacher: Rows) -> tuple[Tensor, Tensor]:
        wide, narrow = teacher.values.detach(), student.values
        importance: Any = teacher.count if self.options.importance == "points" else wide.amax(1)
        scans = self._scans(teacher)
        chosen = [self._select(importance[scan]) for scan in scans]
        edges = sum(len(c) * min(self.options.neighbors or 1, len(s)) for c, s in zip(chosen, scans, strict=True))
        if edges < 2:  # nothing to distill: a zero that still reaches every parameter
            zero = narrow.sum() * 0 + sum(parameter.sum() * 0 for parameter in self.parameters())
            return zero, narrow.new_zeros(())
        ours = [narrow[scan] for scan in scans]
        theirs = [wide[scan] for scan in scans]
        if self.options.local:
            in_space = self.options.neighbor_space == "position"
            near = [
                neighbors_of(c, rows, teacher.position[scan] if in_space else None, self.options.neighbors)
                for c, rows, scan in zip(chosen, theirs, scans, strict=True)
            ]
            ours = [self._aggregate(g) for g in self.student_graphs[level](ours, chosen, near)]
            theirs = [self._aggregate(g) for g in self.teacher_graphs[level](theirs, chosen, near)]
        else:
            ours = [self.adapters[level](rows[c]) for rows, c in zip(ours, chosen, strict=True)]
            theirs = [rows[c] for rows, c in zip(theirs, chosen, strict=True)]
        losses, support = [], []
        for s, t, scan, c in zip(ours, theirs, scans, chosen, strict=True):
            weights = self._weights(importance[scan][c], t, len(scans) if self.options.scope == "scan" else None)
            losses.append(_distance(s, t, weights, self.options.distance))
            support.append(weights.sum().square() / weights.square().sum())
        return torch.stack(losses).mean(), torch.stack(support).mean()

    def _scans(self, rows: Rows) -> list[Tensor]:
        """Indices of the rows that are ranked and connected together; scans without rows are left out."""
        if self.options.scope == "batch":
            return [torch.arange(len(rows.scan), device=rows.scan.device)]
        return [(rows.scan == scan).nonzero().squeeze(1) for scan in rows.scan.unique()]

    def _select(self, importance: Tensor) -> Tensor:
        options = self.options
        return select(importance, options.samples, options.selection, options.shortfall, self.generator)

    def _aggregate(self, graphs: Tensor) -> Tensor:
        if self.options.aggregate == "max":
            return graphs.amax(1)
        return graphs.mean(1) if self.options.aggregate == "mean" else graphs

    def _weights(self, importance: Tensor, graphs: Tensor, scans: int | None) -> Tensor:
        """w of N rows: N softmax(importance / tau), or what the released code makes of it."""
        over = self.options.reweight_over if self.options.reweight else "none"
        if over == "none":
            return torch.ones_like(importance)
        if over == "one":  # the released softmax over an axis of size one, times the batch size
            return torch.full_like(importance, float(scans or 1))
        source = importance if self.options.reweight_by == "importance" else graphs.detach().flatten(1).amax(1)
        return len(source) * torch.softmax(source / self.options.temperature, dim=0)


def _divides_points(parameters: Any) -> bool:
    """Whether tau divides numbers of LiDAR points."""
    return parameters.importance == "points" and parameters.reweight_by != "graph"


def _distance(student: Tensor, teacher: Tensor, weights: Tensor, distance: str) -> Tensor:
    """Mean over N rows of w_i D_i.

    Args:
        student, teacher: N x C', or N x K x C' graphs that were not aggregated.
        weights: N.
        distance: `norm`, ||d_i|| (mean over K); `mse`, mean of d_i^2; `frobenius`, ||d|| of all rows, w ignored.
    """
    difference = student - teacher
    if distance == "frobenius":
        return torch.linalg.vector_norm(difference)
    if distance == "mse":
        return (weights * difference.square().flatten(1).mean(1)).mean()
    norms = torch.linalg.vector_norm(difference, dim=-1)  # subgradient 0 at 0, unlike a square root by hand
    return (weights * norms.reshape(len(norms), -1).mean(1)).mean()
