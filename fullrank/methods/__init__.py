"""Room 2: ways from views to embeddings."""

from fullrank.methods.joint import JointEmbedding, Method, Outputs

__all__ = ["JointEmbedding", "Method", "Outputs"]
