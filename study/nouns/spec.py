"""The nouns of a study: what one run is, what a study asks, and what it may spend.

Everything here is plain validated data (JSON in, JSON out); nothing here trains, schedules or draws.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from study.nouns.frozen import Frozen
from study.nouns.simulation import SimulationSpec

UNDISTILLED = ("teacher", "student")
"""The two methods that train one detector alone: the teacher itself, and the student without distillation."""

BROKEN_BELOW = 20.0
"""mAP/3d/moderate that a sound KITTI checkpoint does not stay below: teachers reach 60, 16x students 50. Checkpoints
for other coordinates were seen with 3D APs about 0 beside BEV APs of 60 (mmdetection3d issues 1340 and 1529)."""


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
    """Which scans a run learns from: a simulated set that any node can make, or a KITTI root on a disk."""

    name: Literal["simulated", "kitti"] = "simulated"
    root: Path | None = Field(None, description="folder of the data set; simulated sets choose their own when null")
    digest: str = Field("", description="content of a root on disk (split lists, labels); filled in before launch")
    simulation: SimulationSpec = SimulationSpec()

    @model_validator(mode="after")
    def _kitti_lies_on_a_disk(self) -> "DatasetSpec":
        if self.name == "kitti" and self.root is None:
            raise ValueError("dataset.name=kitti needs dataset.root (or --data DIR), the folder that holds training/")
        return self


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
    norm_momentum: float | None = Field(
        None, gt=0, le=1, description="batch norm's weight of a new batch; mmdet3d's 0.01 is made for long schedules"
    )
    validate_every: int = Field(2, ge=1, description="epochs between validations; the last epoch is always validated")
    workers: int = Field(4, ge=0, description="data loading processes; 0 loads in the training process")
    amp: bool = Field(False, description="automatic mixed precision on CUDA; distillation terms stay in float32")


class TeacherConfig(Frozen):
    """Where the frozen teacher comes from: a checkpoint file, or a run of method=teacher with this training."""

    checkpoint: Path | None = Field(None, description="an mmdet3d checkpoint; null trains the teacher here, once")
    digest: str = Field("", description="content of that checkpoint file; filled in before launch")
    minimum_ap: float | None = Field(
        None, ge=0, le=100, description="stop below this mAP/3d/moderate; null is 20 for a checkpoint, else 0"
    )
    training: TrainingConfig = TrainingConfig()
    seed: int = Field(0, ge=0)

    @property
    def floor(self) -> float:
        """The mAP/3d/moderate below which nothing is distilled from this teacher."""
        if self.minimum_ap is not None:
            return self.minimum_ap
        return 0.0 if self.checkpoint is None else BROKEN_BELOW


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

    def identity(self) -> dict[str, Any]:
        """The content that decides the result: no path of this machine, nothing that the method does not read."""
        content = self.model_dump(mode="json")
        del content["dataset"]["root"]
        if self.dataset.name != "simulated":
            del content["dataset"]["simulation"]
        for training in (content["training"], content["teacher"]["training"]):
            del training["workers"]
            if training["devices"] == 1:
                del training["devices"], training["sync_batch_norm"]
        del content["teacher"]["minimum_ap"]
        if self.teacher.checkpoint is not None and (self.distills or self.measures):
            content["teacher"] = {"digest": self.teacher.digest}
        elif not self.distills:
            del content["teacher"]
        if self.measures:
            del content["training"], content["seed"]
        if self.method == "teacher":
            del content["detector"]["compression"]
        return content

    @property
    def key(self) -> str:
        """12 hexadecimal characters of the content's SHA-256."""
        canonical = json.dumps(self.identity(), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def teacher_run(self) -> "TrialConfig":
        """The run that trains this run's teacher, or validates the one that is given as a checkpoint."""
        given = self.teacher.model_dump(include={"checkpoint", "digest", "minimum_ap"})
        return TrialConfig(
            method="teacher",
            detector=self.detector,
            dataset=self.dataset,
            training=self.teacher.training,
            teacher=TeacherConfig(**given),
            seed=self.teacher.seed,
        )


class Budget(Frozen):
    """What one run may occupy, and how many may run at once."""

    cpus_per_trial: float = Field(1, gt=0, description="at least training.devices where runs have no GPU")
    gpus_per_trial: float = Field(
        0, ge=0, description="a fraction shares a GPU between runs; more than one needs as many training.devices"
    )
    teacher_cpus: float = Field(2, gt=0, description="the teacher trains alone, before its students")
    concurrent: int | None = Field(None, ge=1, description="runs at once; null is as many as the resources hold")
    hours: float | None = Field(None, gt=0, description="wall-clock limit of the study; null is none")

    @model_validator(mode="after")
    def _gpus_are_shared_or_whole(self) -> "Budget":
        if self.gpus_per_trial > 1 and self.gpus_per_trial % 1:
            raise ValueError(f"gpus_per_trial must be at most 1 or a whole number, got {self.gpus_per_trial:g}")
        return self


class Tuning(Frozen):
    """How much may be tried to find the loss weight of a row, before the row itself is run: as much for every row."""

    trials: int = Field(6, ge=1, description="runs per row, the first with the row's own weight")
    at_once: int = Field(2, ge=1, description="runs of a row that are suggested, and can run, at once")
    epochs: int | None = Field(None, ge=1, description="length of these runs; null is as long as the row's own")
    seed: int = Field(1000, ge=0, description="of these runs; not one of the study's seeds")


class Point(Frozen):
    """One named row of a study: what it changes in the base run (dotted keys, as in --set)."""

    label: str
    set: dict[str, Any] = {}
    tune: bool | tuple[float, float, float] = Field(
        False, description="low, start and high of a parameters.weight to be tuned; true: the method's own"
    )

    @model_validator(mode="after")
    def _start_lies_between_the_ends(self) -> "Point":
        if isinstance(self.tune, tuple) and not 0 < self.tune[0] <= self.tune[1] <= self.tune[2]:
            raise ValueError(f"tune of {self.label!r} must be 0 < low <= start <= high, got {list(self.tune)}")
        return self


class SearchSpace(Frozen):
    """What Optuna may vary around the base run: K (neighbors), N (samples), tau (temperature), and the switches."""

    trials: int = Field(20, ge=1)
    neighbors: tuple[int, int] = Field((4, 256), description="K: rows per local graph, log-uniform")
    samples: tuple[int, int] = Field((64, 12000), description="N: distilled rows per frame, log-uniform")
    temperature: tuple[float, float] = Field((0.5, 50.0), description="tau in points per pillar, log-uniform")
    switches: bool = Field(False, description="also choose local (LD) and reweight (RL); off searches with both on")
    startup: int = Field(10, ge=1, description="random trials before TPE's model takes over")

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> "SearchSpace":
        for name in ("neighbors", "samples", "temperature"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"search.{name} must be 0 < low <= high, got [{low}, {high}]")
        return self


class StudySpec(Frozen):
    """A question and the runs that answer it: `points` for every seed, then `search` around the base run.

    A point that asks for it (`tune`) gets its loss weight by `tuning` first.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    question: str
    base: TrialConfig = TrialConfig()
    points: tuple[Point, ...] = ()
    tuning: Tuning = Tuning()
    search: SearchSpace | None = None
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    metric: str = "mAP/3d/moderate"
    mode: Literal["max", "min"] = "max"
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _asks_something(self) -> "StudySpec":
        if not self.points and self.search is None:
            raise ValueError("a study needs points, a search, or both; this one asks nothing")
        labels = [point.label for point in self.points]
        if len(set(labels)) < len(labels):
            raise ValueError(f"labels of points must differ, got {labels}")
        if self.tuning.seed in self.seeds and any(point.tune for point in self.points):
            raise ValueError(f"tuning.seed={self.tuning.seed} chooses weights, so it cannot be one of seeds too")
        return self
