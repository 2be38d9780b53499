"""Slices with their values: what conversion hands from step to step."""

from dataclasses import dataclass

import nibabel as nib
import numpy as np

from bonecast.dicom import geometry


@dataclass(frozen=True)
class Pile:
    """Parallel slices with their values, sorted along their normal.

    Attributes:
        hu: shape (slices, rows, columns), int16.
        positions_mm: shape (slices, 3), centre of each slice's first voxel (LPS).
        orientation: six direction cosines of all of them.
        pixel_mm: distance between rows, between columns.
    """

    hu: np.ndarray
    positions_mm: np.ndarray
    orientation: np.ndarray
    pixel_mm: tuple[float, float]

    def stack(self) -> geometry.Stack:
        """Where the slices lie."""
        return geometry.measure_stack(self.positions_mm, self.orientation)

    def to_ras(self) -> tuple[np.ndarray, np.ndarray]:
        """The values in RAS+ axis order as a view, and the voxel-to-world matrix.

        The matrix is right where the slices are evenly spaced and not shifted.
        """
        n, rows, columns = self.hu.shape
        first, last = self.positions_mm[0], self.positions_mm[-1]
        affine = geometry.affine_ras(self.orientation, self.pixel_mm, first, last, n)
        turn = nib.io_orientation(affine)
        data = nib.apply_orientation(self.hu.transpose(2, 1, 0), turn)
        return data, affine @ nib.orientations.inv_ornt_aff(turn, (columns, rows, n))
