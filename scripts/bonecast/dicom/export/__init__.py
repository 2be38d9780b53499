"""A table of participants from an export of many patients' files.

Everything this package writes identifies patients. It goes to one private folder.
"""

import os


def private_folder(input: str | None, private: str | None) -> str:
    """Where everything that identifies is: as configured, or a folder in the export.

    Args:
        input, private: options of the config's section export.
    """
    return private or os.path.join(input or "", "bonecast")  # noqa: PTH118
