"""Knowledge distillation of the dense head's class scores, softened by a temperature (Hinton et al., 2015).

Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network". The original softens one softmax over the
classes of an image and weighs the cross entropy with the teacher's by T^2, so that gradients do not shrink as T grows.

The heads here are trained with the sigmoid focal loss: each class of each anchor is a yes-or-no question of its own,
and there is no class for background. `form=sigmoid` therefore takes the Kullback-Leibler divergence of the two
Bernoulli distributions per class, added over the classes (the cross entropy less the teacher's entropy, which is
constant: same gradient, and zero where the networks agree). `form=softmax` is the original's softmax over the classes;
it says which class, never whether. Either is averaged over the anchors (points of PointRCNN's proposal head), all of
them as the original averages over all examples, or those where the teacher sees something (`mask=foreground`).

Ours, not Hinton's: `codes`, smooth-L1 on the encoded boxes of the anchors where the teacher sees something.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from study.nouns.frozen import Frozen
from trainables.distillers import Distiller
from trainables.distillers.parts.boxes import code_distance
from trainables.features import Batch, Features


class Hinton(Distiller):
    """T^2 times the mean divergence of softened class scores."""

    reads = ("predictions",)

    class Parameters(Frozen):
        """How scores are softened, and where they are compared."""

        weight: float = Field(1.0, ge=0, description="multiple of T^2 times the mean divergence")
        form: Literal["sigmoid", "softmax"] = Field("sigmoid", description="each class by itself, or one among all")
        temperature: float = Field(4.0, gt=0, description="T, divides the logits of both networks")
        mask: Literal["none", "foreground"] = Field("none", description="anchors that count")
        score: float = Field(0.1, ge=0, lt=1, description="the teacher sees something where its score exceeds this")
        codes: float = Field(0.0, ge=0, description="weight of smooth-L1 on the boxes' codes; 0 leaves them")

    def terms(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """`kd_loss`, and `kd_code_loss` where asked for."""
        options, ours, theirs = self.options, student.predictions, teacher.predictions
        seen = theirs.logits.sigmoid().amax(2) > options.score
        everywhere = torch.ones_like(seen)
        loss = divergence(
            ours.logits, theirs.logits, options.temperature, options.form,
            seen if options.mask == "foreground" else everywhere,
        )  # fmt: skip
        terms = {"kd_loss": loss}
        if options.codes:
            losses = code_distance(ours.codes, theirs.codes, ours.angle) * seen
            terms["kd_code_loss"] = options.codes * losses.sum() / seen.sum().clamp(min=1)
        return terms


def divergence(
    student: Tensor, teacher: Tensor, temperature: float, form: Literal["sigmoid", "softmax"], mask: Tensor
) -> Tensor:
    """T^2 times the mean over anchors of KL(teacher || student) at temperature T; zero where no anchor counts.

    Args:
        student: B x A x classes, logits.
        teacher: B x A x classes, logits.
        temperature: T.
        form: `sigmoid`, one Bernoulli distribution per class, added; `softmax`, one distribution over the classes.
        mask: B x A, bool: anchors that count.
    """
    ours, theirs = student / temperature, teacher.detach() / temperature
    if form == "softmax":
        per_class = theirs.softmax(2) * (theirs.log_softmax(2) - ours.log_softmax(2))
    else:
        yes = theirs.sigmoid() * (F.logsigmoid(theirs) - F.logsigmoid(ours))
        per_class = yes + (-theirs).sigmoid() * (F.logsigmoid(-theirs) - F.logsigmoid(-ours))
    return temperature**2 * (per_class.sum(2) * mask).sum() / mask.sum().clamp(min=1)
