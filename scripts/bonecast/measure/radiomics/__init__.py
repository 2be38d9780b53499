"""IBSI radiomics of vertebral bodies: grid, features, filters and their robustness."""
