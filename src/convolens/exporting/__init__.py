"""Models in the forms of other programs, under ``cl.export``."""

from convolens.exporting.onnx_file import onnx

__all__ = ["onnx"]
