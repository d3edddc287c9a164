"""A finished encoder on labels: judged as papers judged theirs, and fine-tuned."""
