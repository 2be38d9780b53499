"""Bonecast: fracture forecasting from opportunistic CT.

The library half of the workflow. Functions take arrays and tables and return
arrays and tables; none of them knows about Snakemake.
"""

__version__ = "0.1.0"
