"""Files and arrays of embeddings, as chunks of rows; nothing that is read is executed."""

from __future__ import annotations

from fullrank.embeddings.arrays import as_tensor, as_views, chunked, codes
from fullrank.embeddings.columns import Column, open_column
from fullrank.embeddings.files import open_embeddings
from fullrank.embeddings.source import EmbeddingFile

__all__ = ["Column", "EmbeddingFile", "as_tensor", "as_views", "chunked", "codes", "open_column", "open_embeddings"]
