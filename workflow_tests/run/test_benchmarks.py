"""What jobs took, by rule, from the tables that Snakemake writes."""

import os

from bonecast.run.benchmarks import read_benchmarks

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def write(path, seconds, rss, cpu, ended):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t50\t{cpu}\n")
    os.utime(path, (ended, ended))


def test_jobs_are_gathered_by_rule_whatever_their_wildcards(tmp_path):
    for name, seconds in {"A009": 2.0, "B022": 4.0, "C001": 9.0}.items():
        write(tmp_path / "participants" / name / "measure_scan.tsv", seconds, 300, 1.5, 1000)
    write(tmp_path / "segmentation" / "segment_batch_001.tsv", 100.0, "NA", "NA", 900)
    write(tmp_path / "figures" / "draw_calibration_fracture.tsv", 1.0, "-", 1.0, 2000)
    (tmp_path / "write_ledger.tsv").write_text(HEAD)
    write(tmp_path / "write_report.tsv", 0.5, 1.82, "0.00", 3000)
    found = read_benchmarks(tmp_path)
    names = ["segment_batch", "measure_scan", "draw_calibration", "write_report"]
    assert [use.rule for use in found.uses] == names
    batch, scans, figure, page = found.uses
    assert (page.longest_s, page.cpu_s, page.peak_mb) == (0.5, None, None)
    assert (scans.jobs, scans.median_s, scans.longest_s, scans.total_s) == (3, 4.0, 9.0, 15.0)
    assert (scans.cpu_s, scans.peak_mb) == (4.5, 300)
    assert (batch.cpu_s, batch.peak_mb, figure.peak_mb) == (None, None, None)
    assert found.begun.timestamp() == 800 and found.ended.timestamp() == 3000


def test_a_cohort_without_benchmarks_took_nothing(tmp_path):
    found = read_benchmarks(tmp_path / "missing")
    assert (found.uses, found.begun, found.ended) == ([], None, None)
