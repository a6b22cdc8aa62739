"""What one run is: detector, data, training, teacher, method. Equal configs have equal keys."""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from study.nouns.frozen import Frozen, without_additions
from study.nouns.metrics import Metric

IDENTITY_VERSION = 1
"""Version of what a key stands for. Keys hold every value, so a default may change and old keys keep their meaning.
A field that is added later, here or to a method's parameters, states the value that all runs had until then
(`Field(..., json_schema_extra={"before": value})`) and stays out of keys while it has that value: a release that adds
a default trains nothing again. Only a change of what existing values mean raises this version, and all keys with it."""

UNDISTILLED = ("teacher", "student")
"""The two methods that train one detector alone: the teacher itself, and the student without distillation."""


class DetectorConfig(Frozen):
    """Which detector, how far it is compressed, and on which part of the scan it looks."""

    name: str = Field("pointpillars", description="file name in trainables/detectors/")
    compression: float = Field(4.0, ge=1, description="student's compression ratio; widths shrink by its square root")
    width: float = Field(1.0, gt=0, le=1, description="scales every width of teacher and student (small teachers)")
    pillar: float | None = Field(None, gt=0, description="voxel edge in x and y in m; null is the detector's own")
    points: int | None = Field(None, ge=1, description="points per scan of raw-point detectors; null is their own")
    range: tuple[float, float, float, float, float, float] | None = Field(
        None, description="x_min, y_min, z_min, x_max, y_max, z_max in m; null is the detector's own"
    )

    @model_validator(mode="after")
    def _range_is_a_box(self) -> "DetectorConfig":
        if self.range and not all(low < high for low, high in zip(self.range[:3], self.range[3:], strict=True)):
            raise ValueError(f"range must hold lows before highs (x, y, z), got {list(self.range)}")
        return self


class DatasetSpec(Frozen):
    """Which scans a run learns from: of a data set that any node can make, or of one that lies on a disk."""

    name: str = Field("simulated", description="folder name in trainables/datasets/")
    root: Path | None = Field(None, description="its folder; a data set that is made chooses its own when null")
    digest: str = Field("", description="content of a root on disk (split lists, labels); filled in before launch")
    options: dict[str, Any] = Field({}, description="what the data set takes; see `run_study.py list`")
    apart: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the training split that is not trained on and validated on instead of the validation "
        "split; the teacher of the run is that of all frames",
        json_schema_extra={"before": 0.0},
    )


class TrainingConfig(Frozen):
    """How long and how one detector trains. null means: as the detector's own mmdet3d config says."""

    epochs: int = Field(80, ge=1)
    repeat: int = Field(2, ge=1, description="passes over the training split per epoch (mmdet3d's RepeatDataset)")
    batch_size: int = Field(6, ge=1, description="frames per step and process; a step takes batch_size x devices")
    devices: int = Field(1, ge=1, description="GPUs (without CUDA: processes) that train one run together")
    sync_batch_norm: bool = Field(
        False, description="batch norm over the frames of all devices; mmdet3d's own is over those of each"
    )
    learning_rate: float | None = Field(None, gt=0, description="start of the cyclic schedule (its peak is 10x)")
    scale_learning_rate: bool = Field(
        False,
        description="the detector's own learning rate in proportion to the frames of a step, batch_size x devices; "
        "mmdet3d's rates are made for 8 GPUs (its auto_scale_lr.base_batch_size: 48 frames, of PointRCNN 16)",
    )
    norm_momentum: float | None = Field(
        None, gt=0, le=1, description="batch norm's weight of a new batch; mmdet3d's 0.01 is made for long schedules"
    )
    validate_every: int = Field(2, ge=1, description="epochs between validations; the last epoch is always validated")
    workers: int = Field(4, ge=0, description="data loading processes; 0 loads in the training process")
    checkpoint_minutes: float | None = Field(
        None,
        gt=0,
        description="minutes between checkpoints inside an epoch, for long ones; null keeps one after each epoch, and "
        "one where a process is asked to end",
    )
    drop_last: bool = Field(False, description="leave out an epoch's last batch where it is smaller than the others")
    clip_adapters_apart: bool = Field(
        False, description="clip the gradients of a method's adapters by a norm of their own, not with the student's"
    )
    amp: bool = Field(False, description="automatic mixed precision, on a GPU only; distillation terms stay in float32")

    @model_validator(mode="after")
    def _only_the_detector_s_own_rate_is_scaled(self) -> "TrainingConfig":
        if self.scale_learning_rate and self.learning_rate is not None:
            raise ValueError("scale_learning_rate scales the detector's own rate, so learning_rate must be null")
        return self


class TeacherConfig(Frozen):
    """Where the frozen teacher comes from: a checkpoint file, or a run of method=teacher with this training."""

    checkpoint: Path | None = Field(None, description="an mmdet3d checkpoint; null trains the teacher here, once")
    digest: str = Field("", description="content of that checkpoint file; filled in before launch")
    minimum: float | None = Field(
        None,
        description="stop below this value of the metric that judges teachers; null is that metric's own floor for a "
        "checkpoint, else none",
    )
    training: TrainingConfig = TrainingConfig()
    seed: int | None = Field(
        0,
        ge=0,
        description="null is the run's own: each seed has a teacher, and claims are not about one teacher's luck",
    )

    def floor(self, judged_by: Metric) -> float | None:
        """The value that this teacher must not be worse than, or nothing is distilled from it; None judges nothing."""
        if self.minimum is not None:
            return self.minimum
        return None if self.checkpoint is None else judged_by.floor


class TrialConfig(Frozen):
    """One training run. Equal content, equal `key`; an equal key is never trained twice."""

    method: str = Field("student", description="teacher, student, or a file name in trainables/distillers/")
    parameters: dict[str, Any] = Field({}, description="hyper-parameters of the method; see `run_study.py list`")
    detector: DetectorConfig = DetectorConfig()
    dataset: DatasetSpec = DatasetSpec()
    training: TrainingConfig = TrainingConfig()
    teacher: TeacherConfig = TeacherConfig()
    seed: int = Field(0, ge=0)

    @property
    def distills(self) -> bool:
        """True for every method that needs a teacher."""
        return self.method not in UNDISTILLED

    @property
    def measures(self) -> bool:
        """True for the run of a teacher that is given as a checkpoint: it is validated, not trained."""
        return self.method == "teacher" and self.teacher.checkpoint is not None

    @property
    def tuned_key(self) -> str:
        """What is tuned of a row of this method: the weight of its loss; without distillation, the learning rate."""
        return "parameters.weight" if self.distills else "training.learning_rate"

    def identity(self) -> dict[str, Any]:
        """The content that decides the result: no path of this machine, nothing that the method does not read."""
        content = without_additions(type(self), self.model_dump(mode="json"))
        del content["dataset"]["root"]
        for training in (content["training"], content["teacher"]["training"]):
            del training["workers"], training["checkpoint_minutes"]
            if training["devices"] == 1:
                del training["devices"], training["sync_batch_norm"]
            for later in ("drop_last", "clip_adapters_apart"):  # they came later: runs without them keep their keys
                if not training[later]:
                    del training[later]
        del content["teacher"]["minimum"]
        if content["teacher"]["seed"] is None:
            content["teacher"]["seed"] = self.seed
        if self.teacher.checkpoint is not None and (self.distills or self.measures):
            content["teacher"] = {"digest": self.teacher.digest}
        elif not self.distills:
            del content["teacher"]
        if self.measures:
            del content["training"], content["seed"]
        if self.method == "teacher":
            del content["detector"]["compression"]
        return content

    @cached_property
    def key(self) -> str:
        """12 hexadecimal characters of the SHA-256 of content and identity's version."""
        canonical = json.dumps([IDENTITY_VERSION, self.identity()], sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other content, and so with another key, which pydantic would copy too."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("key", None)
        return copied

    def teacher_run(self) -> "TrialConfig":
        """The run that trains this run's teacher, or validates the one that is given as a checkpoint."""
        given = self.teacher.model_dump(include={"checkpoint", "digest", "minimum"})
        return TrialConfig(
            method="teacher",
            detector=self.detector,
            dataset=self.dataset.model_copy(update={"apart": 0.0}),
            training=self.teacher.training,
            teacher=TeacherConfig(**given),
            seed=self.seed if self.teacher.seed is None else self.teacher.seed,
        )
