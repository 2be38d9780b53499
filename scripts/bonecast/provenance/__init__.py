"""Where results come from, whether two runs gave the same, and what is kept of a study."""
