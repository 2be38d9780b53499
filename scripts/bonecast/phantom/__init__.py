"""Synthetic torsos with known truth: the demo cohort and the training data."""
