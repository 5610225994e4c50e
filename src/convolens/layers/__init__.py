"""Layers: configured functions with named parameters, each with its hand-written gradient."""

from __future__ import annotations

from convolens.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from convolens.layers.augmentation import RandomFlip, RandomRotation, RandomTranslation, RandomZoom
from convolens.layers.base import ActivatedLayer, Layer, registry
from convolens.layers.convolution import Conv2D, Conv2DTranspose
from convolens.layers.core import Input, InputLayer
from convolens.layers.dense import Dense
from convolens.layers.depthwise import DepthwiseConv2D, SeparableConv2D
from convolens.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from convolens.layers.normalization import BatchNormalization, LayerNormalization
from convolens.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from convolens.layers.preprocessing import Rescaling
from convolens.layers.regularization import Dropout, SpatialDropout2D
from convolens.layers.reshaping import Cropping2D, Flatten, Reshape, UpSampling2D, ZeroPadding2D

AvgPool2D = AveragePooling2D
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
MaxPool2D = MaxPooling2D
SeparableConvolution2D = SeparableConv2D

deserialize = registry.deserialize
serialize = registry.serialize

__all__ = [
    "ELU",
    "ActivatedLayer",
    "Activation",
    "Add",
    "Average",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool2D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Softmax",
    "SpatialDropout2D",
    "Subtract",
    "UpSampling2D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
