"""Attenuation to bone mineral density: phantom rods, a scanner's table, or the patient's tissues."""
