"""Seconds and memory of a training step of PointPillars-FPN, its padded slots stored as mmdet3d does and summed.

`python tests/benchmarks/bench_padded_slots.py` steps a 4x student on the CPU with one thread: two scans of so many
points (--points) around the car, each way in a process of its own, so that the peak is its own. CPU seconds of the
second step, and the loss, which shows that both compute the same. On a busy two-core machine:

    slots     pillars       loss  forward s  backward s  peak MB  (start)
    stored      39954   4.870344       5.76        8.28     3923      735
    summed      39954   4.870343       0.84        1.21     1591      739
"""

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

RANGE = (-32.0, -32.0, -5.0, 32.0, 32.0, 3.0)


def batch(points: int) -> dict[str, Any]:
    """Two scans that thin out with the distance, each with a car."""
    import torch
    from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(0)
    scans, samples = [], []
    for _ in range(2):
        angle = torch.rand(points, generator=generator) * 2 * torch.pi
        distance = 2 + torch.empty(points).exponential_(1 / 9, generator=generator)
        height = torch.rand(points, generator=generator) * 3 - 2
        lag = torch.randint(10, (points,), generator=generator) * 0.05
        scans.append(torch.stack([distance * angle.cos(), distance * angle.sin(), height, lag], dim=1))
        sample = Det3DDataSample(metainfo={"box_type_3d": LiDARInstance3DBoxes})
        boxes = LiDARInstance3DBoxes(torch.tensor([[10.0, 5, -1.7, 4.6, 1.9, 1.7, 0.3, 5, 1]]), box_dim=9)
        sample.gt_instances_3d = InstanceData(bboxes_3d=boxes, labels_3d=torch.tensor([0]))
        samples.append(sample)
    return {"inputs": {"points": scans}, "data_samples": samples}


def step(points: int, stored: bool) -> dict[str, float]:
    """Seconds of the second of two steps, and the process's peak."""
    import torch

    from study.nouns.config import DetectorConfig, TrialConfig
    from trainables.training.building import build_detector

    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    if stored:
        from mmdet3d.models.voxel_encoders import HardVFE

        HardVFE.forward = HardVFE.forward.__closure__[0].cell_contents
    torch.manual_seed(0)
    detector = DetectorConfig(name="pointpillars_fpn", compression=4, range=RANGE)
    network = build_detector(TrialConfig(detector=detector), teacher=False).train()
    data = network.data_preprocessor(batch(points), True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"pillars": len(data["inputs"]["voxels"]["coors"]), "before_mb": before / 1024}
    for _ in range(2):
        inputs = {**data["inputs"], "voxels": {k: v.clone() for k, v in data["inputs"]["voxels"].items()}}
        clock = [time.process_time()]
        losses = network.loss(inputs, [sample.clone() for sample in data["data_samples"]])
        clock.append(time.process_time())
        total, _ = network.parse_losses(losses)
        total.backward()
        clock.append(time.process_time())
        found |= {"loss": float(total.detach()), "forward_s": clock[1] - clock[0], "backward_s": clock[2] - clock[1]}
    return {**found, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=60_000, help="of each of the two scans")
    parser.add_argument("--alone", choices=["summed", "stored"], help="this one, in this process")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(step(options.points, options.alone == "stored")))
        return
    print(f"{'slots':8} {'pillars':>8} {'loss':>10} {'forward s':>10} {'backward s':>11} {'peak MB':>8} {'(start)':>8}")
    for alone in ("stored", "summed"):
        command = [sys.executable, __file__, "--points", str(options.points), "--alone", alone]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{alone:8} {found['pillars']:8.0f} {found['loss']:10.6f} {found['forward_s']:10.2f} "
            f"{found['backward_s']:11.2f} {found['peak_mb']:8.0f} {found['before_mb']:8.0f}", flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
