"""TotalSegmentator's weights: which are needed, whether they are there, how to get them.

They lie in one folder, in the layout of TotalSegmentator's releases. Only the rule
`fetch_weights` may download; segmentation jobs read.
"""

import contextlib
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bonecast.refusal import Refusal
from bonecast.segment.model_folder import file_digest

CHECKPOINT = "checkpoint_final.pth"
DEFAULT_PLANS = "nnUNetPlans"
"""Plans of tasks whose table names none: the default of the Python API."""
RELEASES = "https://github.com/wasserth/TotalSegmentator/releases/download"
LICENSED = ("tissue_types", "tissue_4_types")
"""Tasks whose weights come from TotalSegmentator's licence server."""
LICENSE_LENGTH = 18
"""Characters of a licence number; TotalSegmentator's own check without network is this one."""


class WeightsError(Refusal):
    """Weights, a licence or the package itself that is not there, with what to do about it."""


@dataclass(frozen=True)
class Weights:
    """One model of TotalSegmentator.

    Attributes:
        task: task that needs it, such as total.
        task_id: number of its data set.
        dataset: folder of the release, such as Dataset297_...; also the name of the archive.
        model: folder of the trained model within `dataset`.
        folds: folds used.
        release: release page that holds the archive; empty where a licence is needed.
    """

    task: str
    task_id: int
    dataset: str
    model: str
    folds: tuple[int, ...]
    release: str

    def files(self, folder: Path) -> list[Path]:
        """Every file that decides a segmentation, below the folder of all weights."""
        model = folder / self.dataset / self.model
        checkpoints = [model / f"fold_{fold}" / CHECKPOINT for fold in self.folds]
        return [model / "plans.json", model / "dataset.json", *checkpoints]

    def complete(self, folder: Path) -> bool:
        """Whether every file is there."""
        return all(path.is_file() for path in self.files(folder))

    @property
    def url(self) -> str:
        """Address of the archive; empty where a licence is needed."""
        return f"{RELEASES}/{self.release}/{self.dataset}.zip" if self.release else ""


def tasks(*, bodies: str | None, tissue: str | None) -> list[str]:
    """Tasks that are run on each scan, in order."""
    return ["total", *filter(None, (bodies, tissue))]


def needed_weights(*, fast: bool, bodies: str | None, tissue: str | None) -> list[Weights]:
    """The models of the configured tasks, by TotalSegmentator's own tables.

    Args:
        fast: the model at 3 mm instead of five at 1.5 mm, for task total.
        bodies: task for vertebral bodies, or None.
        tissue: task for fat and muscle, or None.

    Raises:
        WeightsError: TotalSegmentator is not installed.
    """
    try:
        from totalsegmentator.map_tasks_config import (
            DEFAULT_CONFIG,
            TASK_CONFIGS,
            TASK_ID_WEIGHTS_CONFIGS,
        )
    except ModuleNotFoundError:
        raise WeightsError(
            "segment.backend: totalsegmentator needs the package TotalSegmentator, which this "
            "environment lacks. Bonecast's lock installs it on Python 3.12, not on newer ones."
        ) from None

    found: dict[int, Weights] = {}

    def add(task: str, settings: dict) -> None:
        settings = DEFAULT_CONFIG | settings
        ids = settings["task_id"]
        for task_id in ids if isinstance(ids, list) else [ids]:
            source = TASK_ID_WEIGHTS_CONFIGS[task_id]
            plans = settings["plans"] or DEFAULT_PLANS
            model = f"{settings['trainer']}__{plans}__{settings['model']}"
            found[task_id] = Weights(
                task,
                task_id,
                source["foldername"],
                model,
                tuple(settings["folds"]),
                source.get("version", ""),
            )

    for task in tasks(bodies=bodies, tissue=tissue):
        settings = TASK_CONFIGS[task]
        if "sub_modes" in settings:
            settings = settings["sub_modes"]["fast" if fast else "default"]
        add(task, settings)
    if bodies == "vertebrae_pp_refined":  # trims one model's bodies by another's
        add("vertebrae_body", TASK_CONFIGS["vertebrae_body"])
    return list(found.values())


def require_weights(folder: Path, needed: list[Weights]) -> None:
    """Raise WeightsError, saying what to do, unless all weights are there."""
    missing = [weights for weights in needed if not weights.complete(folder)]
    if missing:
        raise WeightsError(f"{_what_is_missing(folder, missing)}\n{instructions(folder, missing)}")


def _what_is_missing(folder: Path, missing: list[Weights]) -> str:
    names = ", ".join(weights.dataset for weights in missing)
    return f"segment.weights_dir: {folder} lacks the TotalSegmentator weights {names}."


def instructions(folder: Path, missing: list[Weights]) -> str:
    """How a person gets the missing weights by hand, step by step."""
    lines = ["Run `snakemake fetch_weights` where there is a network, or bring them yourself:"]
    for weights in (weights for weights in missing if weights.url):
        lines.append(f"  download {weights.url}")
    for weights in (weights for weights in missing if not weights.url):
        lines.append(
            f"  {weights.dataset}: `totalseg_set_license -l <your number>`, then "
            f"`totalseg_download_weights -t {weights.task}`, which puts the folder into "
            "~/.totalsegmentator/nnunet/results"
        )
    lines.append(f"  unpack or copy each into {folder}, so that these files exist:")
    for weights in missing:
        lines += [f"    {path.as_posix()}" for path in weights.files(folder)]
    return "\n".join(lines)


def fetch_weights(
    folder: Path,
    needed: list[Weights],
    license_number: str | None,
    tell: Callable[[str], None],
) -> None:
    """Download what is missing into the folder; what is there stays as it is.

    An interrupted download leaves nothing behind that could be taken for weights.

    Args:
        folder: of all weights; made if missing.
        needed: models that must be there afterwards.
        license_number: sent to TotalSegmentator's licence server for licensed models only.
        tell: receives a line of progress.

    Raises:
        WeightsError: no licence, no network, or an archive without the files expected.
    """
    missing = [weights for weights in needed if not weights.complete(folder)]
    if not missing:
        tell(f"all {len(needed)} models are in {folder}: nothing is downloaded")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for weights in missing:
        if not weights.url:
            check_license(license_number, weights.task)
        tell(f"fetching {weights.dataset} ({weights.url or 'licence server'})")
        with tempfile.TemporaryDirectory(prefix=".fetching_", dir=folder) as scratch:
            try:
                _download(weights, Path(scratch), license_number)
            except (Exception, SystemExit) as error:
                # Its text may quote the licence number: only the kind of error is passed on.
                raise WeightsError(
                    f"{weights.dataset} could not be downloaded ({type(error).__name__}).\n"
                    f"{_what_is_missing(folder, missing)}\n{instructions(folder, missing)}"
                ) from None
            if not weights.complete(Path(scratch)):
                raise WeightsError(
                    f"the archive of {weights.dataset} does not hold {weights.model} with "
                    f"{CHECKPOINT}: this TotalSegmentator and its release do not fit together"
                )
            place = folder / weights.dataset
            if place.exists():  # without the files needed, or it would not be missing
                shutil.rmtree(place)
            (Path(scratch) / weights.dataset).rename(place)


def _download(weights: Weights, scratch: Path, license_number: str | None) -> None:
    """Let TotalSegmentator download and unpack one model into an empty folder."""
    with quiet_home(license_number, weights_dir=scratch), contextlib.redirect_stdout(io.StringIO()):
        from totalsegmentator.libs import download_pretrained_weights

        download_pretrained_weights(weights.task_id)


@contextlib.contextmanager
def quiet_home(license_number: str | None, weights_dir: Path) -> Iterator[None]:
    """A home for TotalSegmentator that sends no statistics and is gone afterwards.

    It would otherwise write a configuration with an identifier into the user's home, count
    runs there and report each to its server.
    """
    with tempfile.TemporaryDirectory(prefix="totalsegmentator_") as home:
        settings = {
            "totalseg_id": "",
            "send_usage_stats": False,
            "statistics_disclaimer_shown": True,
            "prediction_counter": 0,
        }
        if license_number:
            settings["license_number"] = license_number
        (Path(home) / "config.json").write_text(json.dumps(settings), encoding="utf-8")
        before = dict(os.environ)
        os.environ["TOTALSEG_HOME_DIR"] = home
        os.environ["TOTALSEG_WEIGHTS_PATH"] = str(weights_dir)
        os.environ.setdefault("MPLCONFIGDIR", home)  # imported along: it keeps a list of fonts
        try:
            yield
        finally:
            # TotalSegmentator sets nnU-Net's three folders besides.
            for name in os.environ.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


def read_license(path: str | None) -> str | None:
    """The licence number in a file, which holds nothing else; None where there is no file.

    Raises:
        WeightsError: the file is missing.
    """
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise WeightsError(
            f"segment.totalsegmentator.license_file: {path} cannot be read ({type(error).__name__})"
        ) from None


def check_license(license_number: str | None, task: str) -> None:
    """Raise WeightsError unless there is a licence number that could be one."""
    if license_number is None or len(license_number) != LICENSE_LENGTH:
        what = "names no file" if license_number is None else "holds no licence number"
        raise WeightsError(
            f"segment.totalsegmentator.tissue: {task} needs a licence (free for research: "
            "https://backend.totalsegmentator.com/license-academic/), but "
            f"segment.totalsegmentator.license_file {what}"
        )


def checksums(folder: Path, needed: list[Weights]) -> dict[str, str]:
    """SHA-256 of each model, over its plans, class list and weights, by name of its data set."""
    return {weights.dataset: file_digest(weights.files(folder)) for weights in needed}


def combined_checksum(sums: dict[str, str]) -> str:
    """One SHA-256 for several models."""
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()
