"""Numbers in the text of headers."""

import pytest

from bonecast.dicom.headers import as_floats


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("1\\2\\3", 3, [1, 2, 3]),
        (" 0.5\\1e-3", 2, [0.5, 0.001]),
        ("1\\2", 3, None),
        ("1\\x\\3", 3, None),
        ("nan\\1", 2, None),
        ("", 1, None),
    ],
)
def test_numbers_in_text(text, count, expected):
    assert as_floats(text, count) == expected
