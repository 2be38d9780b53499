"""A table of participants from an export of many patients' files.

Everything this package writes identifies patients. It goes to one private folder.
"""
