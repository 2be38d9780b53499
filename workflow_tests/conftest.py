"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo() -> Path:
    """The project's own folder."""
    return REPO


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans and tables: BONECAST_TEST_DATA, else ../shared/data beside the project.

    Without it the test is skipped, and the end of the test run says so.
    """
    folder = Path(os.environ.get("BONECAST_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"REAL DATA NOT FOUND at {folder}: this test on real scans DID NOT RUN. "
            "Set BONECAST_TEST_DATA to the folder that holds ct/, dicom/, masks/, fracture/."
        )
    return folder
