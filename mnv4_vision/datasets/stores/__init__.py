"""Images inside one large file: tar shards as WebDataset has them, and LMDB."""

from mnv4_vision.datasets.stores.records import is_record, open_image, read_record, record_name
from mnv4_vision.datasets.stores.writers import FORMATS, StoreWriter, new_writer

__all__ = [
    "FORMATS",
    "StoreWriter",
    "is_record",
    "new_writer",
    "open_image",
    "read_record",
    "record_name",
]
