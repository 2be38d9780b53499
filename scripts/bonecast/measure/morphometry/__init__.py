"""Shape of vertebral bodies: heights, Genant's grade, end-plate angles, cross-section."""
