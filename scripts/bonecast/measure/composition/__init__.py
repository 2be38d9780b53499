"""Muscle, fat and aortic calcium at each vertebral level."""
