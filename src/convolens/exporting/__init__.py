"""Models in the forms of other programs, under ``cl.export``."""

from convolens.exporting.onnx_file import onnx
from convolens.exporting.safetensors_file import safetensors, torch_state_dict
from convolens.exporting.torch_source import torch_sequential

__all__ = ["onnx", "safetensors", "torch_sequential", "torch_state_dict"]
