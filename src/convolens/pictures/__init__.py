"""Pictures of networks, as Matplotlib figures: ``cl.visualize``.

``style.py`` has the colours and fonts, and says how figures are shown and saved. ``attribution.py`` and ``reach.py``
hold the arithmetic behind the pictures and draw nothing.
"""

from .animated import convolution
from .attribution import grad_cam_maps, occlusion_map, saliency_maps
from .curves import history
from .errors import confusion_matrix, misclassified
from .heatmaps import grad_cam, occlusion, saliency
from .inside import feature_maps, filters, receptive_field
from .judging import calibration, roc
from .reach import measured_field, theoretical_field
from .style import theme
from .teaching import convolution_backward, padding, pooling
from .volumes import architecture

__all__ = [
    "architecture",
    "calibration",
    "confusion_matrix",
    "convolution",
    "convolution_backward",
    "feature_maps",
    "filters",
    "grad_cam",
    "grad_cam_maps",
    "history",
    "measured_field",
    "misclassified",
    "occlusion",
    "occlusion_map",
    "padding",
    "pooling",
    "receptive_field",
    "roc",
    "saliency",
    "saliency_maps",
    "theme",
    "theoretical_field",
]
