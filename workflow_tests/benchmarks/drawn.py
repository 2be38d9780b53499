"""Scans drawn for the benchmarks, of the size of real ones."""

from pathlib import Path

SLICES = 304
LEVELS = 17
FIRST = 8
"""Label of the uppermost vertebra measured: T1 in VerSe's codes; they go on to L5."""


def torso():
    """A torso from T1 to the sacrum in 512 x 512 x 304 voxels: CT, vertebrae, bodies, tissue.

    Drawn at half the resolution in the slice and doubled: here the number of voxels counts.

    Returns:
        A dict of `bonecast.images.Volume`.
    """
    import numpy as np

    from bonecast.images import Volume
    from bonecast.phantom.anatomy import draw_torso
    from bonecast.phantom.demo import true_masks
    from bonecast.phantom.torso import AORTA, MUSCLE, Scanner, image_torso
    from bonecast.segment.tissues import Tissue

    rng = np.random.default_rng(5)
    body = draw_torso(rng, trabecular_hu=130, scale=1.0)
    top = body.vertebra("T1").centre[2] + 25
    spacing = (1.6, 1.6, (top + 20) / SLICES)
    scanner = Scanner((256, 256, SLICES), spacing, (0, 15, (top - 20) / 2), 15, 0.7)
    ct, label = image_torso(body, scanner, rng)
    bodies, whole = true_masks(label)
    tissue = np.zeros(label.shape, np.uint8)
    tissue[(ct.data > -150) & (ct.data < -50)] = Tissue.TORSO_FAT
    tissue[label == MUSCLE], tissue[label == AORTA] = Tissue.SKELETAL_MUSCLE, Tissue.AORTA
    affine = ct.affine.copy()
    affine[:3, :2] /= 2
    affine[:3, 3] -= affine[:3, :2].sum(axis=1) / 2
    noise = rng.integers(-20, 21, (512, 512, SLICES), dtype=np.int16)
    volumes = {"ct": ct.data, "vertebrae": whole, "bodies": bodies, "tissue": tissue}
    large = {name: data.repeat(2, axis=0).repeat(2, axis=1) for name, data in volumes.items()}
    large["ct"] = large["ct"] + noise
    return {name: Volume(data, affine) for name, data in large.items()}


def write_torso(folder: str) -> None:
    """<folder>/{ct,vertebrae,bodies,tissue}/scan.nii.gz."""
    from bonecast.images import save

    for name, volume in torso().items():
        (Path(folder) / name).mkdir(parents=True)
        save(volume, Path(folder) / name / "scan.nii.gz")


def write_series(folder: str, slices: str) -> None:
    """DICOM files of the torso's lowest slices."""
    from bonecast.images import Volume

    ct = torso()["ct"]
    _write(Path(folder), Volume(ct.data[:, :, : int(slices)], ct.affine))


def write_small_files(folder: str, files: str) -> None:
    """DICOM files of 64 x 64 pixels with the header of the demo's."""
    import numpy as np

    from bonecast.images import Volume

    affine = np.diag([5.0, 5.0, 3.0, 1.0])
    _write(Path(folder), Volume(np.zeros((64, 64, int(files)), np.int16), affine))


def _write(folder: Path, ct) -> None:
    from bonecast.phantom.dicom import Study

    row = {"age_years": 70, "sex": "F", "contrast": False}
    Study(folder, "A", "bench", row, 5).axial(ct, "Abdomen soft")
