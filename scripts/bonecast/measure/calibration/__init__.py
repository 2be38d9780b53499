"""From attenuation to bone mineral density: phantom rods, a scanner's table, or tissues."""
