"""How fast training and prediction are here, beside the frameworks that are installed.

Every contestant works in a process of its own, at its best setting; their turns alternate, round by round, so that
what else the machine does falls on all alike. Figures are medians; compare those of one run only.
"""

from convolens.benchmarking.measure import measure
from convolens.benchmarking.tasks import TASKS

__all__ = ["TASKS", "measure"]
