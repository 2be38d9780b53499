"""From a CT volume to named vertebrae."""
