"""What the LiDAR simulator is asked for: how many frames, which sensor, what stands in the street.

A frame is a pure function of this spec and its number, so the spec names a data set completely: any node can make it
anew. Defaults: the Velodyne HDL-64E of KITTI's car (Geiger et al., "Vision meets Robotics", IJRR 2013) in a street with
enough objects near the car that a small detector learns from a few hundred frames.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from study.nouns.frozen import Frozen


class SensorSpec(Frozen):
    """A spinning multi-beam LiDAR, its beams laid out like an HDL-64E's: a dense upper and a coarser lower half."""

    beams: int = Field(
        default=64, ge=4, le=256, description="Number of beams; even, half of them in the dense upper block."
    )
    elevation_max_deg: float = Field(default=2.0, gt=-60, le=60, description="Elevation of the highest beam [degrees].")
    elevation_min_deg: float = Field(
        default=-24.33, ge=-89, lt=60, description="Elevation of the lowest beam [degrees]."
    )
    azimuth_step_deg: float = Field(
        default=0.1728,
        ge=0.02,
        le=10,
        description="Turn between two firings [degrees]; rounded so that a turn is whole.",
    )
    field_of_view_deg: float = Field(
        default=360.0,
        gt=0,
        le=360,
        description="Part of the turn that is kept, centered on the driving direction [degrees].",
    )
    max_range_m: float = Field(default=120.0, ge=10, le=500, description="Range beyond which nothing returns [m].")
    height_m: float = Field(default=1.73, ge=0.2, le=10, description="Height of the sensor above the road [m].")
    range_noise_m: float = Field(default=0.02, ge=0, le=0.5, description="Standard deviation of the range error [m].")
    dropout: float = Field(
        default=0.02, ge=0, lt=1, description="Share of returns lost at random, besides those too weak to be seen."
    )

    @model_validator(mode="after")
    def _beams_are_ordered(self) -> Self:
        if self.beams % 2:
            raise ValueError(f"beams must be even (two blocks of equal size), got {self.beams}")
        if self.elevation_min_deg >= self.elevation_max_deg:
            raise ValueError(
                f"elevation_min_deg must be below elevation_max_deg, got {self.elevation_min_deg} and "
                f"{self.elevation_max_deg}"
            )
        return self


class SceneSpec(Frozen):
    """What stands in the street: mean numbers along the stretch ahead of the sensor; as much again stands behind it."""

    extent_m: float = Field(
        default=70.0, ge=15, le=120, description="Length of the street ahead that holds objects [m]."
    )
    cars: float = Field(default=15.0, ge=0, le=60, description="Mean number of cars, parked, driving and crossing.")
    vans: float = Field(default=1.0, ge=0, le=20, description="Mean number of vans.")
    pedestrians: float = Field(default=8.0, ge=0, le=60, description="Mean number of pedestrians.")
    cyclists: float = Field(default=6.0, ge=0, le=60, description="Mean number of cyclists.")
    walls: float = Field(default=12.0, ge=0, le=60, description="Mean number of house fronts, garden walls and hedges.")
    poles: float = Field(default=7.0, ge=0, le=60, description="Mean number of poles.")
    trees: float = Field(default=12.0, ge=0, le=60, description="Mean number of trees.")


class SimulationSpec(Frozen):
    """One simulated data set. Equal specs make equal bytes; frame i does not depend on how many frames there are."""

    version: Literal[1] = Field(default=1, description="Version of the simulator: frames of different versions differ.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of every random choice.")
    train_frames: int = Field(default=400, ge=1, le=100_000, description="Frames 0 .. train_frames-1 are for training.")
    val_frames: int = Field(default=150, ge=1, le=100_000, description="The frames after them are for validation.")
    sensor: SensorSpec = SensorSpec()
    scene: SceneSpec = SceneSpec()

    @property
    def frames(self) -> int:
        """Number of frames of both splits."""
        return self.train_frames + self.val_frames
