"""What mmcv 2.1.0's CUDA kernels of point operators answer, kept in kernels.npz for a comparison without a GPU.

The source of the kernels itself runs, compiled for the CPU with a few macros in the place of CUDA (cuda_on_cpu.hpp; no
instruction that fuses a product and a sum, so that rounding is plain). Made within seconds (numpy 2.4.6, g++ 12):

    python -m pip download mmcv==2.1.0 --no-binary mmcv --no-deps --no-build-isolation -d build
    tar -xf build/mmcv-2.1.0.tar.gz -C build
    python -m tests.golden.make_kernels build/mmcv-2.1.0/mmcv/ops/csrc/common/cuda

The test asks mmcv's functions the same with the kept inputs while the bridge serves them.
"""

import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
FILE = FOLDER / "kernels.npz"
SAMPLED, NEIGHBORS, POOLED = 60, 6, 5
SHELLS = {"small ball": (0.0, 0.5), "ball": (0.0, 1.5), "shell": (1.0, 2.0)}
SAMPLING = "furthest_point_sample_cuda_kernel.cuh"


def inputs() -> dict[str, np.ndarray]:
    """Two scenes: points anywhere, and points on a grid, of which many coincide and most are equally far."""
    generator = np.random.default_rng(30)
    points = np.stack([generator.normal(0, 2, (300, 3)), generator.integers(-2, 3, (300, 3))])
    near = points[:, :16] + generator.normal(0, 0.5, (2, 16, 3))
    boxes = np.concatenate([near, generator.uniform(0.3, 4, (2, 16, 3)), generator.uniform(-7, 7, (2, 16, 1))], axis=2)
    boxes[:, 0, 0] = 99
    made = {
        "points": points,
        "features": generator.normal(0, 1, (2, 3, 300)),
        "weights": generator.uniform(0, 1, (2, 300, 3)),
        "boxes": boxes,
    }
    return {name: values.astype(np.float32) for name, values in made.items()}


def rows_of(points: np.ndarray) -> np.ndarray:
    """(2, 300, 300) distances that are not those in space: |dx| + |dy| + |dz|, with many ties in the second scene."""
    return np.abs(points[:, :, None] - points[:, None]).sum(axis=3)


def kernels(source: Path, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the kernels make of the inputs; gradients are those of the sum of squares of the result, halved."""
    call = _compiled(source)
    points, features, weights, boxes = (given[name] for name in ("points", "features", "weights", "boxes"))
    b, n, _ = points.shape
    c, m, k = features.shape[1], SAMPLED, NEIGHBORS
    far, nothing = np.full((b, n), 1e10, np.float32), np.zeros((b, m), np.int32)
    chosen = call("sample", b, n, m, points, far.copy(), out=nothing.copy())
    found = {
        "sampled": chosen,
        "sampled rows": call("sample_rows", b, n, m, rows_of(points), far.copy(), out=nothing.copy()),
    }
    centers = np.take_along_axis(points, chosen[..., None].astype(int), axis=1)
    centers[:, 0] += 50  # an empty ball
    for name, (low, high) in SHELLS.items():
        radii = ctypes.c_float(low), ctypes.c_float(high)
        found[name] = call("ball_query", b, n, m, *radii, k, centers, points, out=np.zeros((b, m, k), np.int32))
    indices, squares = np.zeros((b, n, 3), np.int32), np.zeros((b, n, 3), np.float32)
    found["three indices"] = call("three_nn", b, n, m, points, centers, squares, out=indices)
    found["three distances"] = np.sqrt(squares)
    few = np.ascontiguousarray(features[:, :, :m])
    taken = {
        "interpolated": (
            "interpolate",
            (b, c, m, n, few, indices, weights),
            (b, c, n, m),
            (indices, weights),
            (b, c, n),
        ),
        "grouped": ("group", (b, c, n, m, k, features, found["ball"]), (b, c, n, m, k), (found["ball"],), (b, c, m, k)),
        "gathered": ("gather", (b, c, n, m, features, chosen), (b, c, n, m), (chosen,), (b, c, m)),
    }
    for name, (kernel, values, sizes, places, shape) in taken.items():
        found[name] = call(kernel, *values, out=np.zeros(shape, np.float32))
        empty = np.zeros_like(few if name == "interpolated" else features)
        found[f"{name} gradient"] = call(f"{kernel}_back", *sizes, found[name], *places, out=empty)
    count = boxes.shape[1]
    found["boxes part"] = call("boxes_part", b, count, n, boxes, points, out=np.full((b, n), -1, np.int32))
    found["boxes all"] = call("boxes_all", b, count, n, boxes, points, out=np.zeros((b, n, count), np.int32))
    pooled, flags = np.zeros((b, count, POOLED, 3 + c), np.float32), np.zeros((b, count), np.int32)
    table = np.ascontiguousarray(features.transpose(0, 2, 1))
    found["pooled empty"] = call("roi_pool", b, n, count, c, POOLED, points, boxes, table, pooled, out=flags)
    found["pooled"] = pooled
    return found


def _compiled(source: Path):
    folder = Path(tempfile.mkdtemp())
    (folder / "pytorch_cuda_helper.hpp").write_text((FOLDER / "cuda_on_cpu.hpp").read_text())
    # A GPU's threads read the winner before the fastest one overwrites it in the next round; here they must wait.
    sampling = (source / SAMPLING).read_text()
    assert sampling.count("old = dists_i[0];") == 2
    (folder / SAMPLING).write_text(sampling.replace("old = dists_i[0];", "old = dists_i[0]; __syncthreads();"))
    flags = ["-std=c++20", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-pthread"]
    library = folder / "kernels.so"
    subprocess.run(
        ["g++", *flags, f"-I{folder}", f"-I{source}", FOLDER / "kernels.cpp", "-o", library], check=True, timeout=600
    )
    loaded = ctypes.CDLL(str(library))

    def call(name: str, *values, out: np.ndarray) -> np.ndarray:
        passed = [v.ctypes.data_as(ctypes.c_void_p) if isinstance(v, np.ndarray) else v for v in (*values, out)]
        getattr(loaded, name)(*passed)
        return out

    return call


if __name__ == "__main__":
    given = inputs()
    found = kernels(Path(sys.argv[1]), given)
    np.savez_compressed(FILE, **given, **{f"answer {name}": values for name, values in found.items()})
    print(f"{len(found)} answers of mmcv's kernels, {FILE.stat().st_size / 1024:.0f} KB")
