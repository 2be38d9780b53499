"""From measured tables to validated fracture-risk models."""

MULTIMODAL = "multimodal"
"""Name of the block that is all others together."""
