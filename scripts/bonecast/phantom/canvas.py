"""A voxel grid to paint shapes on, with soft edges for partial volume."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Canvas:
    """A fine grid in world mm (RAS+), painted back to front.

    Attributes:
        hu: attenuation, shape (x, y, z), float32.
        label: uint8, same shape.
        origin_mm: world position of voxel (0, 0, 0).
        spacing_mm: voxel size along x, y, z.
    """

    hu: np.ndarray
    label: np.ndarray
    origin_mm: np.ndarray
    spacing_mm: np.ndarray

    @classmethod
    def blank(cls, shape, origin_mm, spacing_mm, hu: float) -> "Canvas":
        """A canvas filled with one attenuation and label 0."""
        return cls(
            np.full(shape, hu, np.float32),
            np.zeros(shape, np.uint8),
            np.asarray(origin_mm, float),
            np.asarray(spacing_mm, float),
        )

    def box(self, low_mm, high_mm) -> tuple[tuple[slice, ...], list[np.ndarray]] | None:
        """Slices of the voxels between two corners, and their open-grid world coordinates."""
        low = np.floor((np.asarray(low_mm) - self.origin_mm) / self.spacing_mm).astype(int)
        high = np.ceil((np.asarray(high_mm) - self.origin_mm) / self.spacing_mm).astype(int) + 1
        low = np.maximum(low, 0)
        high = np.minimum(high, self.hu.shape)
        if np.any(low >= high):
            return None
        slices = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = [
            (self.origin_mm[i] + np.arange(low[i], high[i]) * self.spacing_mm[i]).astype(np.float32)
            for i in range(3)
        ]
        grids = np.meshgrid(*axes, indexing="ij", sparse=True)
        return slices, grids

    def paint(self, slices, distance_mm: np.ndarray, hu, label: int | None) -> None:
        """Blend `hu` in where the signed distance is negative; edges are one voxel wide.

        Args:
            slices: where, as given by `box`.
            distance_mm: signed distance to the surface, negative inside.
            hu: a number or an array of the box's shape.
            label: written where at least half the voxel is covered; None leaves labels alone.
        """
        cover = np.clip(0.5 - distance_mm / float(self.spacing_mm.mean()), 0, 1)
        view = self.hu[slices]
        view += cover * (hu - view)
        if label is not None:
            self.label[slices][distance_mm < 0] = label

    def capsule(self, start, end, radius_mm: float, hu: float, label: int | None, shell=None):
        """Paint a rod with round ends; `shell` = (thickness mm, HU) gives it a cortex."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        margin = radius_mm + 2 * self.spacing_mm.max()
        found = self.box(np.minimum(start, end) - margin, np.maximum(start, end) + margin)
        if found is None:
            return
        slices, (x, y, z) = found
        axis = end - start
        length2 = float(axis @ axis) or 1.0
        dx, dy, dz = x - start[0], y - start[1], z - start[2]
        t = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / length2, 0, 1)
        distance = np.sqrt(
            (dx - t * axis[0]) ** 2 + (dy - t * axis[1]) ** 2 + (dz - t * axis[2]) ** 2
        )
        self._paint_shell(slices, distance - radius_mm, hu, label, shell)

    def ellipsoid(self, centre, radii_mm, hu: float, label: int | None, shell=None):
        """Paint an axis-aligned ellipsoid."""
        centre, radii = np.asarray(centre, float), np.asarray(radii_mm, float)
        margin = 2 * self.spacing_mm.max()
        found = self.box(centre - radii - margin, centre + radii + margin)
        if found is None:
            return
        slices, grid = found
        r = np.sqrt(sum(((g - c) / q) ** 2 for g, c, q in zip(grid, centre, radii, strict=True)))
        self._paint_shell(slices, (r - 1) * radii.min(), hu, label, shell)

    def _paint_shell(self, slices, distance, hu, label, shell):
        if shell is None:
            self.paint(slices, distance, hu, label)
        else:
            thickness, shell_hu = shell
            self.paint(slices, distance, shell_hu, label)
            self.paint(slices, distance + thickness, hu, None)
