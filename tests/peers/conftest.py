"""What every comparison with a real framework starts from: quiet frameworks, numbering from zero."""

import os
import warnings

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import pytest


@pytest.fixture(scope="session")
def keras():
    """Real Keras."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras")


@pytest.fixture(autouse=True)
def _keras_counts_from_zero(request):
    if "keras" in request.fixturenames:
        module = request.getfixturevalue("keras")
        module.utils.clear_session()
        module.utils.set_random_seed(2)
