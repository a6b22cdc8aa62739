"""What is asked of simulated drives: how many scenes of how many keyframes and sweeps, which LiDAR, what traffic.

A scene is a pure function of this spec and its number, so the spec names a data set completely: any node can make it
anew. Defaults: the LiDAR of nuScenes' car (Caesar et al., CVPR 2020) with every second of its columns, and so many
objects near the car that a small detector learns from some seventy keyframes in minutes.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from study.nouns.frozen import Frozen

KEYFRAME_S, SWEEP_S = 0.5, 0.05
"""Time between two keyframes, and between two turns of the LiDAR [s]."""


class RingSensorSpec(Frozen):
    """A spinning LiDAR whose beams are evenly spaced; defaults: an HDL-32E on the roof of nuScenes' car."""

    beams: int = Field(default=32, ge=4, le=256, description="Number of beams, evenly spaced.")
    columns: int = Field(
        default=542, ge=36, le=18_000, description="Firings of each beam in a turn; the real sensor has 1084."
    )
    elevation_max_deg: float = Field(
        default=10.67, gt=-60, le=60, description="Elevation of the highest beam [degrees]."
    )
    elevation_min_deg: float = Field(
        default=-30.67, ge=-89, lt=60, description="Elevation of the lowest beam [degrees]."
    )
    max_range_m: float = Field(default=100.0, ge=10, le=500, description="Range beyond which nothing returns [m].")
    height_m: float = Field(default=1.84, ge=0.2, le=10, description="Height of the sensor above the road [m].")
    range_noise_m: float = Field(default=0.02, ge=0, le=0.5, description="Standard deviation of the range error [m].")
    dropout: float = Field(
        default=0.02, ge=0, lt=1, description="Share of returns lost at random, besides those too weak to be seen."
    )

    @model_validator(mode="after")
    def _beams_are_ordered(self) -> Self:
        if self.elevation_min_deg >= self.elevation_max_deg:
            raise ValueError(
                f"elevation_min_deg must be below elevation_max_deg, got {self.elevation_min_deg} and "
                f"{self.elevation_max_deg}"
            )
        return self


def _mean(default: float, what: str) -> float:
    number: float = Field(default=default, ge=0, le=60, description=f"Mean number of {what}.")
    return number


class TrafficSpec(Frozen):
    """Who is on the street: mean numbers along the stretch ahead of the car; as much again stands behind it."""

    extent_m: float = Field(
        default=45.0, ge=20, le=120, description="Length of street that holds objects ahead of the car [m]."
    )
    ego_speed_min: float = Field(default=5.0, ge=0, le=30, description="Lowest speed of the own car [m/s].")
    ego_speed_max: float = Field(default=10.0, ge=0, le=30, description="Highest speed of the own car [m/s].")
    cars: float = _mean(8.0, "cars, parked, waiting and driving")
    trucks: float = _mean(1.5, "trucks")
    trailers: float = _mean(0.8, "trailers, parked beside the road")
    buses: float = _mean(0.8, "buses")
    construction_vehicles: float = _mean(0.8, "excavators, on the ground beside the road")
    bicycles: float = _mean(3.5, "bicycles, with and without rider")
    motorcycles: float = _mean(3.0, "motorcycles, with and without rider")
    pedestrians: float = _mean(8.0, "pedestrians")
    traffic_cones: float = _mean(5.0, "traffic cones")
    barriers: float = _mean(5.0, "barriers")
    walls: float = _mean(12.0, "house fronts, garden walls and hedges")
    poles: float = _mean(7.0, "poles")
    trees: float = _mean(12.0, "trees")

    @model_validator(mode="after")
    def _speeds_are_ordered(self) -> Self:
        if self.ego_speed_min > self.ego_speed_max:
            raise ValueError(
                f"ego_speed_min must not be above ego_speed_max, got {self.ego_speed_min} and {self.ego_speed_max}"
            )
        return self


class DrivesSpec(Frozen):
    """One simulated data set. Equal specs make equal bytes; a scene does not depend on how many there are."""

    version: Literal[1] = Field(default=1, description="Version of the simulator: scenes of different versions differ.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of every random choice.")
    train_scenes: int = Field(default=24, ge=1, le=700, description="Number of scenes for training.")
    val_scenes: int = Field(default=8, ge=1, le=150, description="Number of scenes for validation.")
    keyframes: int = Field(
        default=3, ge=2, le=60, description="Labeled keyframes of a scene, half a second apart; velocities need two."
    )
    sweeps: int = Field(
        default=2, ge=0, le=9, description="Sweeps kept before each later keyframe, 50 ms apart; real scenes have 9."
    )
    lead_in_sweeps: int | None = Field(
        default=None,
        ge=0,
        le=10,
        description="Sweeps kept before the first keyframe of a scene; null: as many as it can use; real ones have 0.",
    )
    sensor: RingSensorSpec = RingSensorSpec()
    traffic: TrafficSpec = TrafficSpec()

    @model_validator(mode="after")
    def _lead_in_is_used(self) -> Self:
        if self.lead_in_sweeps is not None and self.lead_in_sweeps > self.reach:
            raise ValueError(
                f"lead_in_sweeps must not be above the {self.reach} that a keyframe can use with sweeps={self.sweeps}, "
                f"got {self.lead_in_sweeps}"
            )
        return self

    @property
    def reach(self) -> int:
        """How many turns before a keyframe it can use, 50 ms apart: where all are kept, the keyframe before it too."""
        whole = round(KEYFRAME_S / SWEEP_S)
        return whole if self.sweeps == whole - 1 else self.sweeps

    @property
    def numbers(self) -> dict[str, range]:
        """The numbers of the scenes of each split. Those of training may grow without touching those of validation."""
        return {"train": range(self.train_scenes), "val": range(700, 700 + self.val_scenes)}

    @property
    def turns(self) -> list[tuple[int | None, float]]:
        """Each kept turn of a scene: the keyframe it is (None: a sweep), and its time from the first keyframe [s]."""
        kept: list[tuple[int | None, float]] = []
        lead_in = self.reach if self.lead_in_sweeps is None else self.lead_in_sweeps
        for k in range(self.keyframes):
            before = self.sweeps if k else lead_in
            kept += [(None, k * KEYFRAME_S - j * SWEEP_S) for j in range(before, 0, -1)]
            kept.append((k, k * KEYFRAME_S))
        return kept
