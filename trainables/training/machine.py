"""Where and with what a run was made: machine, commit, versions, memory."""

import contextlib
import ctypes
import gc
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from trainables.training.kernels import named

PACKAGES = ("torch", "mmengine", "mmdet3d", "numpy", "numba", "ray", "optuna")


def device() -> torch.device:
    """Where this process trains: on its GPU, or on the CPU where there is none."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def wait() -> None:
    """Until the GPU has done what it was told, for clocks; a CPU has done it already."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def autocast(enabled: bool) -> torch.autocast:
    """Mixed precision inside, where it is asked for."""
    return torch.autocast(device().type, enabled=enabled)


def origin() -> dict[str, Any]:
    """The fields of a `RunRecord` that say where it comes from."""
    return {
        "host": platform.node(),
        "device": _device(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}, **named()},
    }


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = next((line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")), "")
    return f"{model.partition(':')[2].strip() or platform.machine()}, {torch.get_num_threads()} threads"


def _commit() -> str:
    """The project's commit, with a + when files differ from it; empty outside a checkout."""
    here = Path(__file__).parent
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        ask = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    return ""


def reset_peak_memory() -> None:
    """Begin to measure anew: one process may train several runs, and keeps what it once had unless it is asked."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library without malloc_trim measures a little more
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Peak since `reset_peak_memory`: of the GPU where there is one, else resident memory of this process."""
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else host_memory_mb()


def host_memory_mb() -> float:
    """Peak of this process's resident memory since `reset_peak_memory`."""
    line = next((line for line in _read("/proc/self/status").splitlines() if line.startswith("VmHWM")), "")
    return float(line.split()[1]) / 1024 if line else 0.0


def _read(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text()
    return ""
