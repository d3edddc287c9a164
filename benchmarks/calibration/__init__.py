"""A population of embeddings from real encoders and data, healthy and ruined in grades, and what is said of each."""
