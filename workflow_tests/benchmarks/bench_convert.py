"""Times converting a series, checks included, against `dcm2niix -z y`: `make bench`.

Both start from the same DICOM files and end with a `.nii.gz`. Ours decodes every file as well,
compares every voxel and position with what dcm2niix converted, and looks whether the values can
be HU. It is timed twice: the library's function alone, and the rule's adapter as a process of its
own, with Python's start and imports. Counted are wall and CPU seconds, dcm2niix's included.

The series are one of 304 slices of 512 x 512 drawn here, with noise as of a soft kernel, and any
folder of real DICOM named with --series.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SLICES, SIZE, PIXEL_MM = 304, 512, 0.78
NOISE_HU = 12
CONTENDERS = ("ours", "ours, whole process", "dcm2niix -z y")


def draw(folder: Path) -> None:
    """A trunk of fat, muscle and a spine, with noise, as 304 uncompressed CT images."""
    import numpy as np
    from pydicom import uid
    from pydicom.dataset import Dataset, FileMetaDataset

    rng = np.random.default_rng(5)
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    trunk, spine = np.hypot(x / 0.85, y / 0.65), np.hypot(x, y - 0.3)
    shape = np.full((SIZE, SIZE), -1000.0)
    for inside, hu in ((trunk < 1, -100), (trunk < 0.85, 50), (spine < 0.12, 200)):
        shape[inside] = hu
    outside = np.hypot(x, y) > 1
    for number in range(SLICES):
        hu = np.rint(shape + rng.normal(0, NOISE_HU, shape.shape)).clip(-1024)
        hu[outside] = -1024
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = uid.CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"2.25.{number + 10}"
        one = Dataset()
        one.file_meta = meta
        one.SOPClassUID, one.SOPInstanceUID = uid.CTImageStorage, meta.MediaStorageSOPInstanceUID
        one.StudyInstanceUID, one.SeriesInstanceUID = "2.25.1", "2.25.2"
        one.Modality, one.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.Manufacturer, one.KVP, one.XRayTubeCurrent = "SIEMENS", 120, 200 + number % 7
        one.SeriesNumber, one.InstanceNumber, one.SliceThickness = 1, number + 1, 1.0
        one.ImagePositionPatient = [-200.0, -200.0, float(number)]
        one.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        one.PixelSpacing = [PIXEL_MM, PIXEL_MM]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.Rows, one.Columns = SIZE, SIZE
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 12, 11, 0
        one.RescaleSlope, one.RescaleIntercept = 1, -1024
        one.PixelData = (hu + 1024).astype("<u2").tobytes()
        # Names in no order, as a PACS exports them.
        one.save_as(folder / f"{number * 7919 % 100003:06d}", enforce_file_format=True)


def list_series(source: Path, folder: Path) -> None:
    """`series.tsv`, which converting starts from."""
    from bonecast.dicom.index import index_source
    from bonecast.dicom.select import Settings, select_series
    from bonecast.dicom.table import write_series

    index = index_source(source)
    write_series(index, select_series(index, Settings()), folder / "series.tsv")


def ours(source: Path, folder: Path) -> None:
    """The library's function."""
    from bonecast.dicom.convert import convert_participant

    record = convert_participant("p1", source, folder / "series.tsv", folder / "ours.nii.gz")
    if record["status"] != "ok":
        raise SystemExit(f"not converted: {record['reason']} {record['detail']}")


def adapter(source: Path, folder: Path) -> None:
    """What the rule runs, in a process of its own."""
    _run([sys.executable, __file__, "--work", "adapter", str(source), str(folder)])


def adapter_process(source: Path, folder: Path) -> None:
    import runpy
    from types import SimpleNamespace

    injected = SimpleNamespace(
        rule="convert_series",
        wildcards=_Wildcards(participant="p1"),
        input=SimpleNamespace(series=str(folder / "series.tsv")),
        output=SimpleNamespace(ct=str(folder / "job.nii.gz"), facts=str(folder / "ct.json")),
        params=SimpleNamespace(
            source=str(source), resample={}, cohort="bench", secret=None, days=None
        ),
        log=[str(folder / "log")],
    )
    script = PROJECT / "scripts" / "convert_series.py"
    runpy.run_path(str(script), init_globals={"snakemake": injected}, run_name="__main__")


class _Wildcards(dict):
    __getattr__ = dict.__getitem__


def peer(source: Path, folder: Path) -> None:
    """`dcm2niix -z y`, without its sidecar."""
    import dcm2niix

    _run([dcm2niix.bin, "-z", "y", "-b", "n", "-f", "peer", "-o", str(folder), str(source)])
    for path in folder.glob("peer*"):
        path.rename(folder / "peer.nii.gz")


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def timed(task: Callable[[Path, Path], None], *folders: Path) -> tuple[float, float]:
    """Wall and CPU seconds, those of processes it starts included."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    before = sum(one.ru_utime + one.ru_stime for one in usage), time.perf_counter()
    task(*folders)
    wall = time.perf_counter() - before[1]
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return wall, sum(one.ru_utime + one.ru_stime for one in usage) - before[0]


def compete(source: Path, rounds: int) -> None:
    """Print medians of some rounds in turns, and the memory one process of ours needs."""
    tasks = dict(zip(CONTENDERS, (ours, adapter, peer), strict=True))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        list_series(source, folder)
        ours(source, folder)  # imports, and the files into the cache
        for _ in range(rounds):
            for contender, task in tasks.items():
                taken[contender].append(timed(task, source, folder))
        sizes = {path.name: path.stat().st_size / 1e6 for path in folder.glob("*.nii.gz")}
        shape = json.loads((folder / "ct.json").read_text())["shape"]
        command = [sys.executable, __file__, "--work", "memory", str(source), str(folder)]
        memory = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(f"{' x '.join(map(str, shape))} voxels, medians of {rounds} rounds in turns:")
    wall, cpu = ({n: statistics.median(t[k] for t in taken[n]) for n in tasks} for k in (0, 1))
    for contender in tasks:
        print(f"  {contender:20s} {wall[contender]:6.2f} s wall {cpu[contender]:6.2f} s of CPU")
    last = CONTENDERS[-1]
    for contender in CONTENDERS[:-1]:
        ratios = (
            f"{wall[last] / wall[contender]:.2f} x wall, {cpu[last] / cpu[contender]:.2f} x CPU"
        )
        print(f"  {last} takes {ratios} of {contender}")
    print(f"  files: ours {sizes['ours.nii.gz']:.1f} MB, dcm2niix {sizes['peer.nii.gz']:.1f} MB")
    print(f"  peak memory of ours: {memory.strip()} MB")


def memory_process(source: Path, folder: Path) -> None:
    ours(source, folder)
    # Not ru_maxrss: it begins with the size of the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    print(next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--series", type=Path, action="append", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", nargs=3, metavar=("NAME", "SOURCE", "FOLDER"))
    arguments = parser.parse_args()
    sys.path.insert(0, str(PROJECT / "scripts"))
    if arguments.work:
        name, source, folder = arguments.work
        tasks = {"adapter": adapter_process, "memory": memory_process}
        tasks[name](Path(source), Path(folder))
        return
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name))
        compete(Path(name), arguments.rounds)
    for source in arguments.series:
        compete(source, arguments.rounds)


if __name__ == "__main__":
    main()
