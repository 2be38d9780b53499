"""From measured tables to validated fracture-risk models.

Words of the results are here, for those who read them without the packages that make them.
"""

MULTIMODAL = "multimodal"
"""Name of the block that is all others together."""

SUPPLIED = "supplied_score"
"""Learner name of a score that the user computed elsewhere; its block is the score's column."""

REPEATED_CV = "repeated_nested_cv"
LEAVE_ONE_SITE_OUT = "leave_one_site_out"
TEMPORAL = "temporal"
EXTERNAL = "external"
OPTIMISM = "optimism_bootstrap"
"""Designs: all but the last hold patients out."""
