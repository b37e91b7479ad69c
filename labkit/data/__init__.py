"""Les images du cours, en mémoire, vérifiées avant d'être crues."""

from labkit.data.files import DataError, check_files, data_root, has_folder, raw_folder
from labkit.data.sets import Batches, Fingerprinted, ImageSet, ImageSplits
from labkit.data.sources import load_images

__all__ = [
    "Batches",
    "DataError",
    "Fingerprinted",
    "ImageSet",
    "ImageSplits",
    "check_files",
    "data_root",
    "has_folder",
    "load_images",
    "raw_folder",
]
