"""How much of a disk files take, and how that and a duration are written for people."""

from pathlib import Path

UNITS = ("B", "kB", "MB", "GB", "TB")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links are not followed, and what vanishes meanwhile is 0."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(size_of(below) for below in path.iterdir())
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def spelled(size: float) -> str:
    """A size with three digits or less: 1.3 MB."""
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {UNITS[unit]}" if unit and size < 99.95 else f"{size:.0f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Seconds in words short enough for a line: `41 s`, `5 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
