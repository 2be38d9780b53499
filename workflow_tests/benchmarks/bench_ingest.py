"""From a folder of DICOM to a volume, against dcm2niix and dicom2nifti; headers against pydicom.

Ours is the job that makes `ct.nii.gz`, as Snakemake runs it: it lists every series and chooses
one, lets dcm2niix convert it, decodes every file as well and compares voxels and positions with
what dcm2niix made, and looks whether the values can be HU. The peers convert what they are given.
Counted are whole processes, start and imports included; Snakemake's main process is not.

Headers: thousands of cached files, counted from the list of their paths on, one process each.
"""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from contest import (
    ONE_THREAD,
    Contender,
    Taken,
    bonecast_version,
    command,
    compete,
    data_folder,
    main,
    report,
    run,
    timed,
    versions,
)
from drawn import SLICES, write_series, write_small_files
from peers import python_of_peers, version_of_peer
from traced import run_workflow, sum_of

SHORT = 41
SERIES = {"GE": "CRLM-CT-1004", "JPEG 2000": "siemens_j2k_20slices"}
"""Folders of real files below dicom/ of the test data; the first has SHORT slices."""


def convert_with_dicom2nifti(source: str, target: str) -> None:
    """As its manual has it: the whole folder, compressed."""
    import dicom2nifti

    dicom2nifti.convert_directory(source, target, compression=True, reorient=False)
    if not list(Path(target).glob("*.nii.gz")):
        raise SystemExit("dicom2nifti wrote nothing")


def read_with_pydicom(folder: str, wanted: str) -> None:
    """A loop of `dcmread`: of the whole file, or of the tags alone that we read."""
    import pydicom

    options = {}
    if wanted:
        from bonecast.dicom.headers import WANTED

        options = {"stop_before_pixels": True, "specific_tags": list(WANTED)}

    def read(paths: list[str]) -> None:
        for path in paths:
            pydicom.dcmread(path, **options)

    _read(folder, read)


def read_with_gdcm(folder: str) -> None:
    """GDCM's scanner, and its answers taken over into Python as text."""
    import gdcm

    from bonecast.dicom.headers import WANTED

    def read(paths: list[str]) -> None:
        scanner, tags = gdcm.Scanner(), [gdcm.Tag(tag >> 16, tag & 0xFFFF) for tag in WANTED]
        for tag in tags:
            scanner.AddTag(tag)
        scanner.Scan(paths)
        for path in paths:
            for tag in tags:
                scanner.GetValue(path, tag)

    _read(folder, read)


def read_with_ours(folder: str) -> None:
    """What the rule does before it groups files into series."""
    from bonecast.dicom.scan import read_headers

    _read(folder, read_headers)


def _read(folder: str, way: Callable[[list[str]], object]) -> None:
    import warnings

    warnings.simplefilter("ignore")
    paths = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
    for path in paths:
        Path(path).read_bytes()
    seconds, _ = timed(lambda: way(paths))
    report(**seconds, files_per_cpu_s=len(paths) / seconds["cpu_s"])


def convert_with_ours(cohort: Path, number: int) -> Taken:
    """The job that makes the converted scan, in a new folder."""
    with tempfile.TemporaryDirectory(dir=cohort.parent) as name:
        config = {
            "cohort": {"name": "bench", "input": str(cohort), "clinical": None},
            "segment": {"backend": "masks", "masks": str(cohort)},
        }
        target = "results/bench/participants/scan/ct.nii.gz"
        _, jobs = run_workflow(Path(name), config, [target])
        if not Path(name, target).stat().st_size:
            raise SystemExit("our own conversion left this series out")
    return sum_of(jobs)


def into(folder: Path, build: Callable[[Path], list], number: int) -> Taken:
    """Run a peer that writes into a folder, which is removed afterwards."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        return run(build(Path(name)), ONE_THREAD)


def converters(cohort: Path, peers: str | None) -> list[Contender]:
    """Everyone who converts the one folder <cohort>/scan."""
    import dcm2niix

    scan, folder = cohort / "scan", cohort.parent
    alone = [dcm2niix.bin, "-z", "y", "-b", "n", "-f", "peer"]
    found = [
        Contender("Bonecast", "ours", bonecast_version(), partial(convert_with_ours, cohort)),
        Contender(
            "dcm2niix -z y",
            "peer",
            versions("dcm2niix"),
            partial(into, folder, lambda target: [*alone, "-o", target, scan]),
        ),
    ]
    if peers:
        found.append(
            Contender(
                "dicom2nifti",
                "peer",
                version_of_peer("dicom2nifti"),
                partial(
                    into,
                    folder,
                    lambda target: command(__file__, "dicom2nifti", scan, target, python=peers),
                ),
            )
        )
    return found


def readers(folder: Path) -> list[Contender]:
    """Everyone who reads headers."""
    pydicom, gdcm = versions("pydicom"), versions("python-gdcm")
    ways = (
        ("Bonecast", "ours", bonecast_version(), ("ours", folder)),
        ("pydicom.dcmread", "peer", pydicom, ("pydicom", folder, "")),
        ("dcmread, specific_tags", "peer", pydicom, ("pydicom", folder, "wanted")),
        ("gdcm.Scanner", "peer", gdcm, ("gdcm", folder)),
    )
    return [
        Contender(name, role, package, lambda _, task=task: run(command(__file__, *task)))
        for name, role, package, task in ways
    ]


def source_of(cohort: Path, slices: int) -> str:
    """Put a series at <cohort>/scan; returns what it is."""
    data = data_folder()
    real = data / "dicom" / SERIES["GE"] if data and slices == SHORT else None
    if real and real.is_dir():
        shutil.copytree(real, cohort / "scan")
        return f"{SHORT} slices of 512 x 512, GE, public"
    run(command(__file__, "series", cohort / "scan", slices))
    return f"{slices} slices of 512 x 512, drawn"


def headers_of(folder: Path, kind: str, files: int) -> str | None:
    """Put so many files into a folder; returns what they are, None without such data."""
    if kind == "drawn":
        run(command(__file__, "files", folder, files))
        return f"{files} files, drawn"
    data = data_folder()
    real = data / "dicom" / SERIES[kind] if data else folder
    sources = sorted(path for path in real.iterdir() if path.is_file()) if real.is_dir() else []
    if not sources:
        return None
    folder.mkdir()
    for number in range(files):
        shutil.copyfile(sources[number % len(sources)], folder / f"{number:06d}")
    return f"{files} files, {kind}, public"


def contest(options) -> list[dict]:
    rows = []
    peers = python_of_peers()
    for case, slices in (("short series", SHORT), ("long series", SLICES)):
        with tempfile.TemporaryDirectory() as name:
            cohort = Path(name, "cohort")
            source = source_of(cohort, slices)
            everyone = converters(cohort, peers)
            rows += compete("ingest", case, source, everyone, options.rounds)
    for kind in (*SERIES, "drawn"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "files")
            source = headers_of(folder, kind, options.files)
            if source is None:
                print(f"headers, {kind}: left out, for the files are not there")
                continue
            case = f"headers, {kind}"
            rows += compete("ingest", case, source, readers(folder), options.rounds)
    return rows


if __name__ == "__main__":
    main(
        "ingest",
        __doc__,
        contest,
        {
            "dicom2nifti": convert_with_dicom2nifti,
            "pydicom": read_with_pydicom,
            "gdcm": read_with_gdcm,
            "ours": read_with_ours,
            "series": write_series,
            "files": write_small_files,
        },
        lambda parser: parser.add_argument("--files", type=int, default=2000, help="of headers"),
    )
