"""Embeddings beyond one machine: the shards of a data set are sketched by Dask or Ray, and merged."""
