"""TotalSegmentator's weights: fetched once, or a person told how to bring them."""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
import requests

from bonecast.segment.totalsegmentator_weights import (
    WeightsError,
    check_license,
    checksums,
    combined_checksum,
    fetch_weights,
    needed_weights,
    quiet_home,
    read_license,
    require_weights,
)

NUMBER = "aca_0123456789ABCD"

# The package is not made for every Python that Bonecast runs on.
pytest.importorskip("totalsegmentator")

# Of what TotalSegmentator imports, not of ours.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"fast": True, "bodies": None, "tissue": None}, {297}),
        ({"fast": False, "bodies": "vertebrae_body", "tissue": None}, {*range(291, 296), 305}),
        ({"fast": True, "bodies": "vertebrae_pp", "tissue": "tissue_types"}, {297, 803, 481}),
        ({"fast": True, "bodies": "vertebrae_pp_refined", "tissue": None}, {297, 803, 305}),
    ],
)
def test_models_of_the_configured_tasks(options, expected):
    needed = needed_weights(**options)
    assert {weights.task_id for weights in needed} == expected
    assert len(needed) == len(expected)
    for weights in needed:
        assert bool(weights.url) != (weights.task == "tissue_types")
        assert weights.model.count("__") == 2


def put(folder: Path, weights) -> None:
    """Files where a model has them."""
    for path in weights.files(folder):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{weights.dataset} {path.name}")


def archive(weights) -> bytes:
    """A release's archive of a model."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for path in weights.files(Path()):
            packed.writestr(path.as_posix(), f"{weights.dataset} {path.name}")
    return stream.getvalue()


class Server:
    """In place of `requests`: archives by name, and what was asked of it."""

    def __init__(self, needed):
        self.archives = {weights.dataset: archive(weights) for weights in needed}
        self.asked: list[str] = []
        self.posted: list[dict] = []

    def answer(self, body: bytes) -> requests.Response:
        response = requests.Response()
        response.status_code, response.raw = 200, io.BytesIO(body)
        return response

    def get(self, url, **options):
        self.asked.append(url)
        return self.answer(self.archives[Path(url).stem])

    def post(self, url, **options):
        self.asked.append(url)
        self.posted.append(options["json"])
        name = "Dataset481_tissue_1559subj" if options["json"]["task"] == "tissue_types" else ""
        return self.answer(self.archives[name])


@pytest.fixture
def needed():
    return needed_weights(fast=True, bodies="vertebrae_body", tissue="tissue_types")


@pytest.fixture
def server(needed, monkeypatch):
    made = Server(needed)
    monkeypatch.setattr(requests, "get", made.get)
    monkeypatch.setattr(requests, "post", made.post)
    return made


def test_what_is_missing_is_fetched_once(tmp_path, needed, server, capsys):
    said = []
    put(tmp_path, needed[0])
    fetch_weights(tmp_path, needed, NUMBER, said.append)
    require_weights(tmp_path, needed)
    assert server.asked == [
        needed[1].url,
        "https://backend.totalsegmentator.com:443/download_weights",
    ]
    assert server.posted[0]["license_number"] == NUMBER
    assert {path.name for path in tmp_path.iterdir()} == {weights.dataset for weights in needed}
    said.append(capsys.readouterr().out)

    fetch_weights(tmp_path, needed, NUMBER, said.append)
    assert len(server.asked) == 2
    assert "nothing is downloaded" in said[-1]
    assert NUMBER not in "".join(said)


def test_without_network_a_person_is_told_what_to_bring_where(tmp_path, needed, monkeypatch):
    def offline(*arguments, **options):
        raise requests.ConnectionError(f"cannot reach the host with {NUMBER}")

    monkeypatch.setattr(requests, "get", offline)
    monkeypatch.setattr(requests, "post", offline)
    folder = tmp_path / "weights"
    with pytest.raises(WeightsError) as caught:
        fetch_weights(folder, needed, NUMBER, lambda _: None)
    text = str(caught.value)
    for weights in needed:
        for path in weights.files(folder):
            assert path.as_posix() in text
    assert needed[0].url in text and "/v2.0.0-weights/" in needed[0].url
    assert needed[1].url in text and "/v2.5.0-weights/" in needed[1].url
    assert "totalseg_download_weights -t tissue_types" in text
    assert "ConnectionError" in text and NUMBER not in text
    assert list(folder.iterdir()) == []


def test_an_interrupted_download_leaves_nothing_that_passes_for_weights(tmp_path, needed, server):
    broken = needed[0]
    server.archives[broken.dataset] = server.archives[broken.dataset][:-40]
    with pytest.raises(WeightsError, match="could not be downloaded"):
        fetch_weights(tmp_path, [broken], None, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_another_layout_is_refused(tmp_path, needed, server):
    server.archives[needed[0].dataset] = archive(needed[1])
    with pytest.raises(WeightsError, match="do not fit together"):
        fetch_weights(tmp_path, needed[:1], None, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_half_unpacked_model_is_fetched_anew(tmp_path, needed, server):
    put(tmp_path, needed[0])
    needed[0].files(tmp_path)[-1].unlink()
    fetch_weights(tmp_path, needed[:1], None, lambda _: None)
    require_weights(tmp_path, needed[:1])


def test_licensed_weights_are_not_asked_for_without_a_licence(tmp_path, needed, server):
    with pytest.raises(WeightsError, match="license_file names no file"):
        fetch_weights(tmp_path, needed[2:], None, lambda _: None)
    assert server.asked == []


def test_a_licence_is_a_file_of_eighteen_characters(tmp_path):
    path = tmp_path / "license.txt"
    path.write_text(f"{NUMBER}\n")
    assert read_license(str(path)) == NUMBER
    assert read_license(None) is None
    check_license(NUMBER, "tissue_types")
    with pytest.raises(WeightsError, match="holds no licence number"):
        check_license("short", "tissue_types")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_license(str(tmp_path / "none.txt"))


def test_its_home_is_quiet_and_gone_afterwards(tmp_path):
    before = dict(os.environ)
    with quiet_home(NUMBER, tmp_path):
        home = Path(os.environ["TOTALSEG_HOME_DIR"])
        config = json.loads((home / "config.json").read_text())
        assert config["send_usage_stats"] is False
        assert config["license_number"] == NUMBER
        assert home.stat().st_mode & 0o077 == 0
    assert not home.exists()
    assert dict(os.environ) == before


def test_checksums_change_with_any_file_of_a_model(tmp_path, needed):
    put(tmp_path, needed[0])
    first = checksums(tmp_path, needed[:1])
    assert first.keys() == {needed[0].dataset}
    seen = {combined_checksum(first)}
    for path in needed[0].files(tmp_path):
        path.write_text(f"other {path.name}")
        seen.add(combined_checksum(checksums(tmp_path, needed[:1])))
    assert len(seen) == 4


def test_without_the_package_the_backend_says_where_there_is_one(monkeypatch):
    monkeypatch.setitem(sys.modules, "totalsegmentator.map_tasks_config", None)
    with pytest.raises(WeightsError, match="lock installs it on Python 3.12"):
        needed_weights(fast=True, bodies=None, tissue=None)
