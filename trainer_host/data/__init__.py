"""Datasets: verified, deduplicated rows with provenance, addressed by the hash of their content."""

from trainer_host.data.dataset import Dataset, Row, open_dataset, read_rows, seal, write_rows

__all__ = ["Dataset", "Row", "open_dataset", "read_rows", "seal", "write_rows"]
