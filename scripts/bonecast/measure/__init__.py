"""From a CT volume and vertebra masks to measurements, one row per vertebra."""
