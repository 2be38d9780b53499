"""Kill whole runs at random moments, many times, and compare what they end with: `make faults`.

Two cohorts, the default target each: a few participants of the demo through the embedded network
up to the report, and the models of a table made up here. Each is run undisturbed once, then in
fresh folders killed and resumed until it ends, until the kills asked for are spent. With --folder
the undisturbed runs are kept there for another time.

    python workflow_tests/faults/kill_often.py [--kills 24] [--seed 1] [--longest 15] [--folder X]
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from killing import Workflow, differences, disturb, wait_until_nobody_works_in

REPO = Path(__file__).resolve().parents[2]
MEMBERS = ("A001", "A009", "A021", "B003", "B021", "B022")
"""Three scans that are measured, an empty folder, damaged pixels and no axial series."""

PATIENTS = 160


def write_scans(folder: Path) -> None:
    """Configuration of a part of the demo, in batches of two scans."""
    rows = "".join(f"{name}\t{name[0]}\n" for name in MEMBERS)
    (folder / "participants.tsv").write_text(f"participant_id\tsite\n{rows}", encoding="utf-8")
    config = {
        "cohort": {"name": "demo", "participants": "participants.tsv"},
        "segment": {"batch_size": 2},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def write_table(folder: Path) -> None:
    """A table of made-up patients whose risk rises with age and falls with density."""
    dice = np.random.default_rng(3)
    age, density = dice.normal(68, 9, PATIENTS), dice.normal(120, 35, PATIENTS)
    rate = 0.08 * np.exp(0.05 * (age - 68) - 0.015 * (density - 120))
    fracture, end = dice.exponential(1 / rate), dice.uniform(1, 6, PATIENTS)
    table = pd.DataFrame(
        {
            "participant_id": [f"T{i:03d}" for i in range(PATIENTS)],
            "age_years": age.round(1),
            "sex": dice.choice(["F", "M"], PATIENTS),
            "hu": density.round(1),
            "time_years": np.minimum(fracture, end).round(3) + 0.001,
            "event": (fracture < end).astype(int),
        }
    )
    table.to_csv(folder / "table.csv", index=False)
    model = {
        "table": "table.csv",
        "blocks": ["clinical", "hu"],
        "block_columns": {"clinical": ["age_years", "sex"], "hu": ["hu"]},
        "score_columns": [],
        "learners": ["penalised"],
        "folds": 3,
        "repeats": 2,
        "split_jobs": "repeats",
        "bootstrap": 50,
        "curve_bootstrap": 5,
        "stability_bootstrap": 5,
    }
    config = {"cohort": {"name": "table"}, "model": model}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def cohort(folder: Path, write, made: Path | None = None) -> Workflow:
    """A cohort in a folder; one that is there already is used as it is.

    Args:
        made: a finished run whose DICOM and compiled kernels are taken over: half the run's time.
    """
    if not folder.exists():
        folder.mkdir(parents=True)
        write(folder)
        for name in ("demo", "results/.kernels") if made else ():
            if (made / name).exists():
                shutil.copytree(made / name, folder / name)
    return Workflow(REPO, folder, ("--configfile", "config.yaml"))


COHORTS = {"scans": write_scans, "table": write_table}


def main() -> int:
    """Run both cohorts; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=24, help="of each cohort")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=15, help="seconds between two kills")
    parser.add_argument("--folder", type=Path, help="default: a temporary one, removed at the end")
    parser.add_argument("--cohorts", nargs="+", choices=COHORTS, default=list(COHORTS))
    options = parser.parse_args()
    place = options.folder or Path(tempfile.mkdtemp(prefix="bonecast_faults_"))
    wrong, total = [], 0
    for name in options.cohorts:
        dice, write = random.Random(options.seed), COHORTS[name]
        reference = cohort(place / f"{name}_undisturbed", write)
        ended = reference.folder / "ended_well"
        if not ended.exists():
            started = time.monotonic()
            if not reference.run():
                print(reference.output[-6000:])
                return 1
            ended.touch()
            print(f"{name}: undisturbed run in {time.monotonic() - started:.0f} s", flush=True)
        left, number = options.kills, 0
        while left > 0:
            number += 1
            made = reference.folder if number > 1 else None
            workflow = cohort(place / f"{name}_{number}", write, made)
            killed = disturb(workflow, dice, left, options.longest, reference.results)
            workflow.complete()
            found = differences(reference.results, workflow.results)
            wait_until_nobody_works_in(workflow)
            print(f"{name} run {number}: {len(killed)} kills, {len(found)} files differ")
            print("".join(f"  {line}\n" for line in [*killed, *found]), end="", flush=True)
            left, total = left - len(killed), total + len(killed)
            wrong += found
            shutil.rmtree(workflow.folder)
    print(f"{total} kills, {len(wrong)} files differ from undisturbed runs")
    if not options.folder:
        shutil.rmtree(place)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
