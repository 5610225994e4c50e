"""A run's report and pictures."""

from .report import write_images, write_report

__all__ = ["write_images", "write_report"]
