"""The size of a frame's image, all that a LiDAR detector needs to know of it."""

import json
from pathlib import Path

from study.nouns.errors import InputError
from trainables.datasets.kitti.raw_files import read_bytes


class ImageSizes:
    """Width and height of a frame's image, from `image_sizes.json` or else from the PNG's own header."""

    def __init__(self, root: Path) -> None:
        self.table = root / "image_sizes.json"
        self.images = root / "training" / "image_2"
        self.sizes: dict[str, list[int]] = {}
        if self.table.exists():
            try:
                self.sizes = json.loads(read_bytes(self.table, "image_sizes.json"))
            except ValueError as error:
                raise InputError(f"image_sizes.json must be a JSON object; {self.table} is not: {error}.") from error

    def __getitem__(self, frame: str) -> tuple[int, int]:
        """(width, height) in pixels.

        Raises:
            InputError: neither source knows the frame, or its size is not two positive integers.
        """
        if frame in self.sizes:
            size = self.sizes[frame]
            if not (isinstance(size, list) and len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)):
                raise InputError(f"an image size is [width, height] in pixels; {self.table} has {size!r} for {frame}.")
            return size[0], size[1]
        image = self.images / f"{frame}.png"
        if not image.exists():
            raise InputError(
                f'frame {frame} needs an image size: expected an entry "{frame}": [width, height] in {self.table} '
                f"or the image {image}; found neither."
            )
        with image.open("rb") as file:
            header = file.read(24)
        if len(header) < 24 or header[:8] != b"\x89PNG\r\n\x1a\n":
            raise InputError(f"an image of image_2 must be a PNG file; {image} does not begin like one.")
        return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])
