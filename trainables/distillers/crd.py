"""CRD: the teacher's embedding of an object is told from those of other objects (Tian, Krishnan and Isola, ICLR 2020).

"Contrastive Representation Distillation"; code: github.com/HobbitLong/RepDistiller at b84f547c5db6 (crd/criterion.py,
crd/memory.py, run_cifar_distill.sh). Linear maps of both networks, both trained, lead to unit embeddings e of d = 128.
The score of e with a row m of the other network's memory is exp(e m / 0.07) / Z. Telling the positive row from K others
of n is the noise contrastive loss (`contrastive_loss`) of each network's scores; both are added, times 0.8.

- `form=queue`, ours, for detection: in the place of the code's images of one class stand objects, each the neck's mean
  over the places in its box seen from above (the nearest place when none is inside), of boxes with enough LiDAR points,
  and beside them places outside of every box, a class of their own, up to 256 together. The positive is the same
  object in the other network. K = 4096 rows, shared by all, come from a queue of the other network's last n = 8192
  embeddings; those of an object's own class do not count. Z is n times the mean of the scores, new in every step until
  the queue is full, then kept.
- `form=bank`, the code itself, with frames for images: the neck's mean over all places, and two memories with a row for
  each frame, found by its sample_idx. The positive is the frame's row, which moves half way to the embedding after the
  loss; K = 16384 rows are drawn uniformly for each frame; Z is n times the mean of the first batch's scores. Objects
  have no rows of their own, as mmdet3d's augmentation does not keep their names.

Both memories start from the code's random rows. Differs from the code: embeddings are normalized with an epsilon, as an
empty one has no direction; where several processes train, all of them store the embeddings of all.
"""

from typing import Any, ClassVar, Literal, cast

import torch
from mmengine.dist import all_gather_object, all_reduce, is_distributed
from pydantic import Field, model_validator
from torch import Tensor, nn

from study.nouns.errors import InputError
from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.distillers.parts.boxes import inside
from trainables.features import Batch, Features, Map

CONSTANT = 0.8
"""RepDistiller's weight of the loss."""
BACKGROUND, UNUSED = -1, -2
_QUEUE = {"rows": 8192, "negatives": 4096, "units": 256, "least_points": 5, "other_class": True}
_BANK = {"rows": 3712, "negatives": 16384, "momentum": 0.5}


class CRD(Distiller):
    """Noise contrastive loss between embeddings of both networks, against rows of a memory of each."""

    reads = ("neck",)
    student_memory: Tensor
    teacher_memory: Tensor
    names: Tensor
    """Class (queue) or sample_idx (bank) of each row."""
    stored: Tensor
    """Rows ever written (queue) or given to a frame (bank)."""
    z: Tensor
    """Of the student's and of the teacher's scores."""
    z_is_kept: Tensor
    weight_range: ClassVar[tuple[float, float]] = (1e-3 / CONSTANT, 1 / CONSTANT)

    class Parameters(Frozen):
        """The form, and the sizes of its memory."""

        weight: float = Field(1.0, ge=0, description="multiple of RepDistiller's constant, 0.8")
        form: Literal["queue", "bank"] = Field("queue", description="objects and a queue, or frames and two banks")
        dimensions: int = Field(128, ge=1, description="d, of an embedding")
        temperature: float = Field(0.07, gt=0, description="tau, divides the cosine")
        rows: int | None = Field(None, ge=1, description="n: queue's length (8192), or frames of the data (3712)")
        negatives: int | None = Field(None, ge=1, description="K: queue 4096, bank 16384")
        units: int | None = Field(None, ge=1, description="queue: objects and background of a batch; 256")
        least_points: int | None = Field(None, ge=0, description="queue: LiDAR points of an object; 5")
        other_class: bool | None = Field(None, description="queue: leave the unit's own class out; true")
        momentum: float | None = Field(None, ge=0, lt=1, description="bank: what a row keeps of itself; 0.5")

        @model_validator(mode="after")
        def _no_more_negatives_than_rows(self) -> "CRD.Parameters":
            rows, negatives = (getattr(self, n) or _QUEUE[n] for n in ("rows", "negatives"))
            if self.form == "queue" and negatives > rows:
                raise ValueError(f"negatives are rows of the queue, so at most rows={rows}; got negatives={negatives}")
            return self

    @classmethod
    def complete(cls, parameters: dict[str, Any], kind: str) -> dict[str, Any]:
        """Fill in the form's sizes; drop what it does not read."""
        whole = cls.Parameters(**parameters).model_dump()
        own = _QUEUE if whole["form"] == "queue" else _BANK
        for name in {*_QUEUE, *_BANK}:
            whole[name] = (own[name] if whole[name] is None else whole[name]) if name in own else None
        return whole

    def __init__(self, parameters: Parameters, student: Features, teacher: Features) -> None:
        super().__init__(parameters, student, teacher)
        self.options: Any = parameters  # complete: None only where the form does not read a value
        rows, size = cast(int, parameters.rows), parameters.dimensions
        self.student_embedding = nn.Linear(student.neck.values.shape[1], size)
        self.teacher_embedding = nn.Linear(teacher.neck.values.shape[1], size)
        bound = (3 / size) ** 0.5
        self.register_buffer("student_memory", torch.empty(rows, size).uniform_(-bound, bound))
        self.register_buffer("teacher_memory", torch.empty(rows, size).uniform_(-bound, bound))
        self.register_buffer("names", torch.full((rows,), UNUSED))
        self.register_buffer("stored", torch.zeros((), dtype=torch.long))
        self.register_buffer("z", torch.zeros(2))
        self.register_buffer("z_is_kept", torch.zeros((), dtype=torch.bool))

    def forward(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, and `kd_positive`: how much likelier than chance the positives' mean score is."""
        queue = self.options.form == "queue"
        if queue:
            mine, its, units = self._objects(student.neck, teacher.neck, batch)
        else:
            mine, its = (features.neck.values.flatten(2).mean(2) for features in (student, teacher))
            units = self._rows_of(batch).to(mine.device)
        ours = normalized(self.student_embedding(mine))
        theirs = normalized(self.teacher_embedding(its.detach()))
        scores, counted = (self._scores_in_queue if queue else self._scores_in_banks)(ours, theirs, units)
        self._find_z(scores, counted)
        rows = self.options.rows
        scaled = [score / z for score, z in zip(scores, self.z.unbind(), strict=True)]
        loss = contrastive_loss(scaled[0], counted, rows) + contrastive_loss(scaled[1], counted, rows)
        likelier = torch.stack([score.detach()[:, 0].sum() for score in scaled]).mean() * rows / max(len(units), 1)
        (self._enqueue if queue else self._move)(*_of_all_processes(ours.detach(), theirs.detach(), units))
        return {"kd_loss": self.options.weight * CONSTANT * loss, "kd_positive": likelier}

    def _objects(self, narrow: Map, wide: Map, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """U x C_s and U x C_t vectors of objects and of places beside them, and their U classes."""
        mine, its, classes, free = [], [], [], []
        for scan in range(len(narrow.values)):
            boxes, labels = batch.objects(scan)
            places = narrow.position[scan, :, :2]
            free.append(~inside(places, boxes).any(1))
            held = inside(batch.inputs["points"][scan][:, :3], boxes).sum(0) >= self.options.least_points
            boxes, known = boxes[held & (labels >= 0)], labels[held & (labels >= 0)]
            shares = places_of(places, boxes)
            mine.append(shares @ narrow.values[scan].flatten(1).T)
            its.append(shares @ wide.values[scan].flatten(1).T)
            classes.append(known)
        beside = torch.stack(free).nonzero()
        most = max(self.options.units - sum(map(len, classes)), 0)
        chosen = torch.randperm(len(beside), generator=self.generator)[:most].to(beside.device)
        scan_of, place = beside[chosen].unbind(1)
        mine.append(narrow.values.flatten(2)[scan_of, :, place])
        its.append(wide.values.flatten(2)[scan_of, :, place])
        classes.append(torch.full_like(place, BACKGROUND))
        return torch.cat(mine), torch.cat(its), torch.cat(classes)

    def _scores_in_queue(self, ours: Tensor, theirs: Tensor, classes: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each network's U x (1 + K) scores, the positive first, and which negatives count, U x K."""
        drawn = torch.randperm(self.options.rows, generator=self.generator)[: self.options.negatives].to(ours.device)
        other = (classes[:, None] != self.names[drawn]) | (not self.options.other_class)
        positive = (ours * theirs.detach()).sum(1, keepdim=True), (theirs * ours.detach()).sum(1, keepdim=True)
        negative = ours @ self.teacher_memory[drawn].T, theirs @ self.student_memory[drawn].T
        both = zip(positive, negative, strict=True)
        return [(torch.cat(pair, dim=1) / self.options.temperature).exp() for pair in both], other

    def _scores_in_banks(self, ours: Tensor, theirs: Tensor, rows: Tensor) -> tuple[list[Tensor], Tensor]:
        """Each network's B x (1 + K) scores, the positive first, and that every negative counts, B x K."""
        shape = (len(rows), self.options.negatives)
        drawn = torch.randint(self.options.rows, shape, generator=self.generator).to(rows.device)
        read = torch.cat([rows[:, None], drawn], dim=1)
        both = (ours, self.teacher_memory), (theirs, self.student_memory)
        scores = [
            (torch.einsum("bd,bkd->bk", own, memory[read]) / self.options.temperature).exp() for own, memory in both
        ]
        return scores, torch.ones_like(drawn, dtype=torch.bool)

    @torch.no_grad()
    def _find_z(self, scores: list[Tensor], counted: Tensor) -> None:
        """Z of each network: n times the mean of the positives' and the counted negatives' scores."""
        if self.z_is_kept:
            return
        count = len(counted) + counted.sum()
        sums = [score[:, 0].sum() + (score[:, 1:] * counted).sum() for score in scores]
        totals = torch.stack([*sums, count.to(sums[0])])
        all_reduce(totals)
        if totals[2]:
            self.z.copy_(self.options.rows * totals[:2] / totals[2])
            self.z_is_kept.fill_(self.options.form == "bank" or bool(self.stored >= self.options.rows))

    def _enqueue(self, ours: Tensor, theirs: Tensor, classes: Tensor) -> None:
        """Write embeddings over the oldest."""
        ours, theirs, classes = (new[-self.options.rows :] for new in (ours, theirs, classes))
        at = (self.stored + torch.arange(len(classes), device=classes.device)) % self.options.rows
        self.student_memory[at], self.teacher_memory[at], self.names[at] = ours, theirs, classes
        self.stored += len(classes)

    def _rows_of(self, batch: Batch) -> Tensor:
        """B rows of the banks; a frame that is new takes the next free one, in the same order in every process."""
        names = [sample.metainfo.get("sample_idx") for sample in batch.samples]
        if None in names:
            raise InputError("parameters.form=bank finds a frame by its sample_idx, and the data give none; use queue")
        row = {int(name): index for index, name in enumerate(self.names[: self.stored].tolist())}
        for name in _of_all_processes(torch.tensor(names, dtype=torch.long, device=self.names.device))[0].tolist():
            if name not in row:
                if len(row) == self.options.rows:
                    raise InputError(f"parameters.rows={len(row)} frames fit into the banks, but the data hold more")
                self.names[len(row)] = name
                row[name] = len(row)
        self.stored.fill_(len(row))
        return torch.tensor([row[int(name)] for name in names], dtype=torch.long)

    def _move(self, ours: Tensor, theirs: Tensor, rows: Tensor) -> None:
        """Move rows towards the embeddings; of a frame that is twice in a batch the last one counts."""
        for memory, new in ((self.student_memory, ours), (self.teacher_memory, theirs)):
            moved = normalized(self.options.momentum * memory[rows] + (1 - self.options.momentum) * new)
            for row, value in zip(rows.tolist(), moved, strict=True):
                memory[row] = value


def contrastive_loss(scores: Tensor, counted: Tensor, rows: int) -> Tensor:
    """Noise contrastive loss: the mean over U units of -log of telling positive and negatives from uniform noise.

    With m negatives, noise density 1 / n and epsilon 1e-7, per unit
    -log(p / (p + m / n + epsilon)) - sum over negatives of log((m / n) / (p_k + m / n + epsilon)).

    Args:
        scores: U x (1 + K), the positive's first.
        counted: U x K, bool: the negatives that count, m of each unit.
        rows: n.
    """
    noise = counted.sum(1, keepdim=True).to(scores) / rows
    positive, negative = scores[:, :1], scores[:, 1:]
    told = (positive / (positive + noise + 1e-7)).log().sum()
    told = told + torch.where(counted, noise / (negative + noise + 1e-7), 1).log().sum()
    return -told / max(len(scores), 1)


def normalized(vectors: Tensor) -> Tensor:
    """U x d vectors of length 1; of one without length the gradient is finite."""
    return vectors * (vectors.square().sum(1, keepdim=True) + 1e-12).rsqrt()


def places_of(places: Tensor, boxes: Tensor) -> Tensor:
    """M x P shares of M boxes in P places, each row adding up to 1.

    Equal shares of the places inside a box seen from above; where there are none, the place nearest to its center.

    Args:
        places: P x 2, m.
        boxes: M x 7.
    """
    within = inside(places, boxes).T
    nearest = torch.cdist(boxes[:, :2], places.to(boxes)).argmin(1) if len(boxes) else within.new_zeros(0).long()
    alone = torch.zeros_like(within).scatter(1, nearest[:, None], 1)
    shares = torch.where(within.any(1, keepdim=True), within, alone).to(places)
    return shares / shares.sum(1, keepdim=True)


def _of_all_processes(*tensors: Tensor) -> list[Tensor]:
    """Tensors of all processes, one after the other in the processes' order, so that every one stores the same."""
    if not is_distributed():
        return list(tensors)
    gathered = all_gather_object([tensor.cpu() for tensor in tensors])
    return [torch.cat(parts).to(t.device) for parts, t in zip(zip(*gathered, strict=True), tensors, strict=True)]
