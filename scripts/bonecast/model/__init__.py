"""From measured tables to validated fracture-risk models."""
