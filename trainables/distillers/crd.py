"""CRD: the teacher's embedding of an object is told from those of other objects (Tian, Krishnan and Isola, ICLR 2020).

"Contrastive Representation Distillation"; code: github.com/HobbitLong/RepDistiller at b84f547c5db6 (crd/criterion.py,
crd/memory.py, run_cifar_distill.sh). Linear maps of both networks, both trained, lead to unit embeddings e of d = 128.
The score of e with a row m of the other network's memory is exp(e m / 0.07) / Z. Telling the positive row from K others
of n is the noise contrastive loss (`contrastive_loss`) of each network's scores; both are added, times 0.8.

- `form=queue`, ours, for detection (parts/embedding_queue.py): in the place of the code's images of one class stand
  objects, each the neck's mean over the places in its box seen from above (the nearest place when none is inside), of
  boxes with enough LiDAR points, and beside them drawn places outside of every box, a class of their own, up to 256
  together. The positive is the same object in the other network. K = 4096 rows, shared by all, come from a queue of the
  other network's last n = 8192 embeddings; those of an object's own class do not count. Z is n times the mean of the
  scores, new in every step until the queue is full, then kept.
- `form=bank`, the code itself, with frames for images (parts/embedding_banks.py): the neck's mean over all places, and
  two memories with a row for each frame, found by its sample_idx. The positive is the frame's row, which moves half way
  to the embedding after the loss; K = 16384 rows are drawn uniformly for each frame; Z is n times the mean of the first
  batch's scores. Objects have no rows of their own, as mmdet3d's augmentation does not keep their names.

Both memories start from the code's random rows. Differs from the code: embeddings are normalized with an epsilon, as an
empty one has no direction; where several processes train, all of them store the embeddings of all.
"""

from typing import Any, Literal

import torch
from mmengine.dist import all_reduce
from pydantic import Field, model_validator
from torch import Tensor, nn

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.distillers.parts.contrast import contrastive_loss, normalized, of_all_processes
from trainables.distillers.parts.embedding_banks import Banks
from trainables.distillers.parts.embedding_queue import Queue
from trainables.features import Batch, Features

FORMS: dict[str, dict[str, Any]] = {
    "queue": {"rows": 8192, "negatives": 4096, "units": 256, "least_points": 5, "other_class": True},
    "bank": {"rows": 3712, "negatives": 16384, "momentum": 0.5},
}
"""What each form reads, and its defaults."""


class CRD(Distiller):
    """Noise contrastive loss between embeddings of both networks, against rows of a memory of each."""

    reads = ("neck",)
    constant = 0.8  # RepDistiller's weight
    weight_range = (1e-3 / constant, 1 / constant)
    z: Tensor
    """Of the student's and of the teacher's scores."""
    z_is_kept: Tensor

    class Parameters(Frozen):
        """The form, and the sizes of its memory. The defaults here are the queue's; `complete` has the form's."""

        weight: float = Field(1.0, ge=0, description="multiple of RepDistiller's constant, 0.8")
        form: Literal["queue", "bank"] = Field("queue", description="objects and a queue, or frames and two banks")
        dimensions: int = Field(128, ge=1, description="d, of an embedding")
        temperature: float = Field(0.07, gt=0, description="tau, divides the cosine")
        rows: int = Field(8192, ge=1, description="n: queue's length, or frames of the data (bank: 3712)")
        negatives: int = Field(4096, ge=1, description="K (bank: 16384)")
        units: int = Field(256, ge=1, description="queue: objects and background of a batch, at most")
        least_points: int = Field(5, ge=0, description="queue: LiDAR points of an object")
        other_class: bool = Field(True, description="queue: leave the unit's own class out")
        momentum: float = Field(0.5, ge=0, lt=1, description="bank: what a row keeps of itself")

        @model_validator(mode="after")
        def _no_more_negatives_than_rows(self) -> "CRD.Parameters":
            if self.form == "queue" and self.negatives > self.rows:
                raise ValueError(
                    f"negatives are rows of the queue, so at most rows={self.rows}; got negatives={self.negatives}"
                )
            return self

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Fill in the form's sizes; leave out what it does not read."""
        given = cls.Parameters(**parameters).model_dump(exclude_unset=True)
        own = FORMS[given.get("form", "queue")]
        unread = {name for form in FORMS.values() for name in form} - own.keys()
        whole = {**super().complete({}, kind), **own, **given}
        return {name: value for name, value in whole.items() if name not in unread}

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        self.student_embedding = nn.Linear(student.neck.values.shape[1], parameters.dimensions)
        self.teacher_embedding = nn.Linear(teacher.neck.values.shape[1], parameters.dimensions)
        self.memory: Queue | Banks = (Queue if parameters.form == "queue" else Banks)(parameters)
        self.register_buffer("z", torch.zeros(2))
        self.register_buffer("z_is_kept", torch.zeros((), dtype=torch.bool))

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, and `kd_positive`: how much likelier than chance the positives' mean score is."""
        mine, its, units = self.memory.units(student.neck, teacher.neck, batch, self.generator)
        ours = normalized(self.student_embedding(mine))
        theirs = normalized(self.teacher_embedding(its.detach()))
        scores, counted = self.memory.scores(ours, theirs, units, self.generator)
        self._find_z(scores, counted)
        rows = self.options.rows
        scaled = [score / z for score, z in zip(scores, self.z.unbind(), strict=True)]
        loss = contrastive_loss(scaled[0], counted, rows) + contrastive_loss(scaled[1], counted, rows)
        likelier = torch.stack([score.detach()[:, 0].sum() for score in scaled]).mean() * rows / max(len(units), 1)
        self.memory.store(*of_all_processes(ours.detach(), theirs.detach(), units))
        return {"kd_loss": loss, "kd_positive": likelier}

    @torch.no_grad()
    def _find_z(self, scores: list[Tensor], counted: Tensor) -> None:
        """Z of each network: n times the mean of the positives' and the counted negatives' scores, until it is kept."""
        count = len(counted) + counted.sum()
        sums = [score[:, 0].sum() + (score[:, 1:] * counted).sum() for score in scores]
        totals = torch.stack([*sums, count.to(sums[0])])
        all_reduce(totals)
        found = ~self.z_is_kept & (totals[2] > 0)
        self.z.copy_(torch.where(found, self.options.rows * totals[:2] / totals[2].clamp(min=1), self.z))
        self.z_is_kept.logical_or_(found & self.memory.settled())
