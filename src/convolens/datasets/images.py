"""Image files of any size and mode as arrays in the form that a network was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["IMAGE_SUFFIXES", "is_gray", "read_image"]

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


def read_image(path: str | Path, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Read an image file and resample it to a size and number of channels.

    Transparent parts become white, a camera's orientation is applied, 16-bit greys are reduced to 8 bits, and the
    picture is stretched to the size with an antialiasing bilinear filter, as Keras's ``image_dataset_from_directory``
    stretches it.

    Args:
        path: any image file that Pillow reads.
        size: height and width of the result.
        channels: 1 for grey, 3 for colour.

    Returns:
        ``uint8`` array ``(height, width, channels)``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read as an image.
    """
    from PIL import Image

    image = _open(path)
    if image.mode.startswith(("I;16", "I")):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    elif image.mode == "F":
        image = Image.fromarray(np.asarray(image).clip(0, 255).round().astype(np.uint8))
    elif "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = size
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return pixels.reshape(height, width, channels).copy()


def is_gray(path: str | Path) -> bool:
    """Say whether an image file's mode has no colours."""
    return _open(path).mode in {"1", "L", "LA", "La", "I", "F"} or _open(path).mode.startswith("I;16")


def _open(path: str | Path) -> Any:
    """Open and decode an image, upright; its first frame if it has several."""
    from PIL import Image, ImageOps

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such image file.")
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as an image ({error}).") from None
