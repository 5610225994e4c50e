"""Settings of the process, under Keras's names."""

import pytest

import convolens as cl


def test_the_layout_of_images_is_channels_last():
    cl.backend.set_image_data_format("channels_last")
    assert cl.config.image_data_format() == "channels_last"
    with pytest.raises(ValueError, match="channels-last here"):
        cl.config.set_image_data_format("channels_first")


def test_the_float_type_is_settled_when_a_layer_is_built():
    assert cl.config.floatx() == "float32"
    cl.config.set_floatx("float64")
    try:
        layer = cl.layers.Dense(2)
        layer.build((None, 3))
    finally:
        cl.config.set_floatx("float32")
    assert layer.kernel.dtype == "float64"
    with pytest.raises(ValueError, match="floatx is one of float32, float64; got 'float16'"):
        cl.config.set_floatx("float16")


def test_threads(monkeypatch):
    cl.config.set_num_threads(3)
    try:
        assert cl.config.get_num_threads() == 3
    finally:
        cl.config.set_num_threads(None)
    monkeypatch.setenv("CONVOLENS_THREADS", "2")
    assert cl.config.get_num_threads() == 2
    for wrong in (0, 1.5, True):
        with pytest.raises(ValueError, match="positive integer"):
            cl.config.set_num_threads(wrong)
