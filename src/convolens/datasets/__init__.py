"""Image sets: the named ones, one's own files, and what is in them."""

from . import fashion_mnist, mnist
from .catalog import load, names
from .dataset import Dataset
from .description import Description, describe, duplicate_groups
from .duplicates import leaked_images
from .files import DataWarning
from .formats import load_h5, load_idx
from .images import read_image
from .splits import stratified_folds, stratified_split
from .tables import load_csv, load_folder

__all__ = [
    "DataWarning",
    "Dataset",
    "Description",
    "describe",
    "duplicate_groups",
    "fashion_mnist",
    "leaked_images",
    "load",
    "load_csv",
    "load_folder",
    "load_h5",
    "load_idx",
    "mnist",
    "names",
    "read_image",
    "stratified_folds",
    "stratified_split",
]
