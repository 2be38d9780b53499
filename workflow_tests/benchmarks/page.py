"""Writes docs/benchmarks.md's tables and its figure from docs/benchmarks.tsv.

`python workflow_tests/benchmarks/page.py [table ...]` adds tables of results first: a case that was
measured again replaces its old rows. Between the page's markers `<!-- results of PART -->` and
`<!-- end -->` everything is written here; the rest of the page is written by hand.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from contest import PROJECT, read_rows, say, write_rows
from summary import SNAKEMAKE, WHOLE, Line, Step, costs, lines, merge, number, scans_of, steps

TABLE = PROJECT / "docs" / "benchmarks.tsv"
PAGE = PROJECT / "docs" / "benchmarks.md"
FIGURES = PROJECT / "docs" / "figures"
PARTS = ("ingest", "segmentation", "measure", "radiomics", "models", "pipeline")
MARKED = re.compile(r"(<!-- results of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

FACTS = {
    "start_cpu_s": "{:.2f} s before work began",
    "totalsegmentator_cpu_s": "TotalSegmentator {:.1f} s",
    "pyradiomics_cpu_s": "pyradiomics {:.1f} s",
    "files_per_cpu_s": "{:,.0f} files per CPU second",
    "in_network": "{:.0%} of the time in the network",
    "dice_least": "Dice with the peer's at least {:.3f}",
    "dice_most": "at most {:.3f}",
    "features": "{:.0f} features a region",
    "regions_same": "{:.0f} regions equal pictologics' to the last bit",
    "largest_difference": "others differ by {:.0e} at most",
    "c_clinical": "C: clinical {:.3f}",
    "c_hu": "hu {:.3f}",
    "c_radiomics": "radiomics {:.3f}",
    "c_multimodal": "multimodal {:.3f}",
}
"""How a fact that a contender told of itself is put into words; others are not."""


def filled(page: str, rows: Sequence[dict]) -> str:
    """The page with its marked places filled from the table of results."""

    def place(match: re.Match) -> str:
        found = [row for row in rows if row["part"] == match[2]]
        return match[1] + _block(match[2], found) + match[3]

    return MARKED.sub(place, page)


def _block(part: str, rows: list[dict]) -> str:
    if not rows:
        return "Not measured yet.\n"
    told = [_steps_table(rows)] if part == "pipeline" else [_contest_table(lines(rows))]
    return "\n".join([*told, "\n\n".join(_measured(rows)), ""])


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    every = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(row)} |\n" for row in every)


def _contest_table(found: Sequence[Line]) -> str:
    """One row a contender: medians, and ratios with the least and largest of a round."""
    head = ["case", "contender", "CPU s", "wall s", "peak MB"]
    head += ["CPU, times ours", "wall, times ours", "and"]
    body, before = [], None
    for line in found:
        facts = [FACTS[name].format(v) for name, v in line.facts.items() if name in FACTS]
        seconds = [number(value) for value in (line.cpu_s, line.wall_s)]
        times = [str(value or "") for value in (line.cpu_times, line.wall_times)]
        case = line.case if line.case != before else ""
        body.append(
            [case, line.contender, *seconds, f"{line.peak_mb:,.0f}", *times, ", ".join(facts)]
        )
        before = line.case
    return _markdown(head, body)


def _steps_table(rows: list[dict]) -> str:
    """One row a rule: all its jobs, and the whole run."""
    listed, scans = steps(rows), scans_of(rows)
    head = ["step", "jobs", "CPU s", "of it before work began", "wall s", "peak MB", "share of CPU"]
    return _markdown(head, [_step(step) for step in listed]) + "\n" + _told(listed, scans)


def _step(step: Step) -> list[str]:
    share = step.share
    percent = f"{share.middle:.0%} ({share.least:.0%} to {share.most:.0%})"
    return [
        step.name,
        str(step.jobs or ""),
        number(step.cpu_s),
        number(step.start_cpu_s) if step.jobs else "",
        "" if step.name == SNAKEMAKE else number(step.wall_s),
        "" if step.name == SNAKEMAKE else f"{step.peak_mb:,.0f}",
        "" if step.name == WHOLE else percent,
    ]


def _told(listed: Sequence[Step], scans: int) -> str:
    cost = {name: number(value) for name, value in costs(listed, scans).items()}
    return (
        f"A scan costs {cost['a_scan']} CPU seconds, of them {cost['segmentation']} its"
        f" segmentation and {cost['start']} Python's start and imports; tables, figures and"
        f" report of this cohort cost {cost['the_cohort']}, Snakemake itself {cost['snakemake']}.\n"
    )


def _measured(rows: list[dict]) -> list[str]:
    """Lines that say when, where, with what and on what all this was measured."""
    told = []
    for machine in dict.fromkeys(row["machine"] for row in rows):
        found = [row for row in rows if row["machine"] == machine]
        loads = [float(row["load"]) for row in found if row["load"]]
        load = f"load {min(loads):g} to {max(loads):g}" if loads else "load not read"
        every = {
            name: sorted({row[name] for row in found})
            for name in ("date", "python", "version", "input")
        }
        rounds = len({row["round"] for row in found})
        packages = dict.fromkeys(", ".join(every["version"]).split(", "))
        told.append(
            f"{' and '.join(every['date'])}, {machine}, {load};"
            f" medians of {rounds} round{'s' if rounds > 1 else ''} in turns (least to largest)."
            f" Python {' and '.join(every['python'])}, {', '.join(packages)}."
            f" Input: {'; '.join(every['input'])}."
        )
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "tables", nargs="*", type=Path, help="results to add to docs/benchmarks.tsv"
    )
    added = [row for path in parser.parse_args().tables for row in read_rows(path)]
    rows = merge(read_rows(TABLE), added)
    rows.sort(key=lambda row: PARTS.index(row["part"]))
    write_rows(rows, TABLE)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    sys.path.insert(0, str(PROJECT / "scripts"))
    from figure import draw

    draw(lines(rows), steps(rows), scans_of(rows), FIGURES)
    say(f"wrote {TABLE.name}, {PAGE.name} and figures/benchmarks.svg and .png in {PAGE.parent}")


if __name__ == "__main__":
    main()
