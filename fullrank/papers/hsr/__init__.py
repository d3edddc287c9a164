"""Durrant & Leontidis (2022), HSR-BYOL."""
