"""TotalSegmentator's real Python API, offline, on models in its own weights layout.

Its weights cannot be had everywhere, so two stand-ins are put in their place: the embedded
network, its head rewired to TotalSegmentator's classes, and a network that reads the class off
the attenuation (label k is painted as 20 k HU), which proves every class by name.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bonecast.images import Volume, load, save
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import draw_torso
from bonecast.phantom.torso import Scanner, image_torso
from bonecast.phantom.training import network_classes
from bonecast.reasons import Excluded, Reason
from bonecast.runtime import write_json
from bonecast.segment.backends import open_backend
from bonecast.segment.totalsegmentator_labels import label_from_totalsegmentator
from bonecast.segment.totalsegmentator_weights import WeightsError, needed_weights

# The package is not made for every Python that Bonecast runs on.
class_map = pytest.importorskip("totalsegmentator.map_to_binary").class_map

# Of what TotalSegmentator imports, not of ours.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

TOTAL = {name: label for label, name in class_map["total"].items()}
HU_PER_LABEL = 20


def write_model(folder: Path, weights, classes: list[str], plans: dict, checkpoint: dict) -> None:
    """A model where TotalSegmentator looks for it."""
    model = folder / weights.dataset / weights.model
    (model / "fold_0").mkdir(parents=True)
    labels = {name: label for label, name in enumerate(["background", *classes])}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".nii.gz"}
    (model / "dataset.json").write_text(json.dumps(dataset | {"numTraining": 1}))
    (model / "plans.json").write_text(json.dumps(plans | {"dataset_name": weights.dataset}))
    trainer = weights.model.partition("__")[0]
    checkpoint = checkpoint | {"trainer_name": trainer, "inference_allowed_mirroring_axes": None}
    torch.save(checkpoint, model / "fold_0" / "checkpoint_final.pth")


def embedded_model(repo, folder: Path, weights, classes: list[str], heads: dict[str, str]) -> None:
    """The embedded network with each of its classes under another name (`heads`)."""
    source = repo / "resources/embedded_model"
    plans = json.loads((source / "plans.json").read_text())
    known = json.loads((source / "dataset.json").read_text())["labels"]
    trained = torch.load(source / "fold_0/checkpoint_final.pth", weights_only=False)
    names = ["background", *classes]
    network = dict(trained["network_weights"])
    for key, value in network.items():
        if "seg_layers" in key:
            rewired = torch.zeros((len(names), *value.shape[1:]), dtype=value.dtype)
            if key.endswith("bias"):
                rewired -= 100  # classes the network does not know never win
            for ours, theirs in ({"background": "background"} | heads).items():
                rewired[names.index(theirs)] = value[known[ours]]
            network[key] = rewired
    settings = {"network_weights": network, "init_args": {"configuration": "3d_fullres"}}
    write_model(folder, weights, classes, plans, settings)


def attenuation_model(repo, folder: Path, weights, classes: list[str], patch=32) -> None:
    """A network whose score of class k is -|HU - 20 k|."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    plans = json.loads((repo / "resources/embedded_model/plans.json").read_text())
    count = len(classes) + 1
    features = [2 * count, 2]
    arch = {
        "n_stages": 2,
        "features_per_stage": features,
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 1, 1]] * 2,
        "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op": None,
        "norm_op_kwargs": None,
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.ReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    configuration = plans["configurations"]["3d_fullres"]
    configuration["patch_size"] = [patch] * 3
    spacing = 3.0 if weights.task_id == 297 else 1.5
    configuration["spacing"] = [spacing] * 3
    configuration["architecture"]["arch_kwargs"] = arch
    intensity = {"mean": 0.0, "std": HU_PER_LABEL, "percentile_00_5": 0, "percentile_99_5": 2500}
    plans["foreground_intensity_properties_per_channel"]["0"] |= intensity

    built = PlainConvUNet(
        1, **(arch | {"conv_op": torch.nn.Conv3d, "nonlin": torch.nn.ReLU}), num_classes=count
    )
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.zero_()
        steps = torch.arange(count, dtype=torch.float32)
        first = built.encoder.stages[0][0].convs[0].conv
        first.weight[:count, 0] = 1.0
        first.weight[count:, 0] = -1.0
        first.bias[:count], first.bias[count:] = -steps, steps
        decoder = built.decoder.stages[0].convs[0].conv
        # Beside what comes from below, which is 0, the skip connection.
        decoder.weight[:, 2 * count :, 0, 0, 0] = torch.eye(2 * count)
        head = built.decoder.seg_layers[0]
        head.weight[:, :count, 0, 0, 0] = -torch.eye(count)
        head.weight[:, count:, 0, 0, 0] = -torch.eye(count)
    settings = {"init_args": {"configuration": "3d_fullres"}}
    settings["network_weights"] = built.state_dict()
    write_model(folder, weights, classes, plans, settings)


@pytest.fixture(scope="module")
def embedded(repo, tmp_path_factory) -> Path:
    """Weights of fast `total` and of `vertebrae_body`: the embedded network under other names."""
    folder = tmp_path_factory.mktemp("embedded")
    total, bodies = needed_weights(fast=True, bodies="vertebrae_body", tissue=None)
    heads = {
        "vertebral_body": "vertebrae_L3",
        "posterior_elements": "autochthon_left",
        "sacrum": "sacrum",
        "rib": "rib_left_12",
    }
    embedded_model(repo, folder, total, list(class_map["total"].values()), heads)
    heads = {"vertebral_body": "vertebrae_body", "disc": "intervertebral_discs"}
    embedded_model(repo, folder, bodies, list(class_map["vertebrae_body"].values()), heads)
    return folder


@pytest.fixture(scope="module")
def phantom() -> tuple[Volume, np.ndarray]:
    """A small phantom scan about L3, and its labels."""
    rng = np.random.default_rng(11)
    torso = draw_torso(rng, trabecular_hu=130, scale=1.0)
    centre = tuple(torso.vertebra("L3").centre + [0, 10, -10])
    return image_torso(torso, Scanner((80, 80, 60), (2, 2, 3), centre, 12, 0.7), rng)


@pytest.fixture(scope="module")
def attenuation(repo, tmp_path_factory) -> Path:
    """Weights of fast `total` and of `tissue_types` that read labels off the attenuation."""
    folder = tmp_path_factory.mktemp("attenuation")
    for weights in needed_weights(fast=True, bodies=None, tissue="tissue_types"):
        attenuation_model(repo, folder, weights, list(class_map[weights.task].values()))
    return folder


def settings(folder: Path, **options) -> dict:
    """The `segment` section as it reaches the job."""
    chosen = {"fast": True, "bodies": None, "tissue": None, "license_file": None} | options
    return {
        "backend": "totalsegmentator",
        "weights_dir": str(folder),
        "totalsegmentator": chosen,
        "device": "cpu",
        "threads": 1,
    }


def segment(backend, path: Path, raw: Path) -> dict[str, Volume]:
    """One scan through a backend, written as the batch writes it."""
    found = backend.finish(backend.infer(backend.read(path)))
    for key, volume in found.items():
        suffix = "" if key == "classes" else f".{key}"
        save(volume, raw.with_name(f"{raw.name.removesuffix('.nii.gz')}{suffix}.nii.gz"))
    record = backend.provenance | {"seconds": 1.0, "fallback": "", "error": ""}
    write_json(record, raw.with_name(raw.name.replace(".nii.gz", ".json")))
    return found


def painted(spacing=3.0) -> np.ndarray:
    """Every label of task `total` as a cube of 6 voxels."""
    labels = np.zeros((40, 40, 40), np.uint8)
    for label in TOTAL.values():
        x, y, z = (8 * place for place in np.unravel_index(label - 1, (5, 5, 5)))
        labels[x : x + 6, y : y + 6, z : z + 6] = label
    return labels


def test_every_class_comes_back_under_its_name_whatever_the_files_orientation(
    tmp_path, attenuation
):
    labels = painted()
    ct = nib.Nifti1Image(labels.astype(np.int16) * HU_PER_LABEL, np.diag([3.0, 3.0, 3.0, 1.0]))
    backend = open_backend(settings(attenuation))
    found = {}
    for name, axes in (("ras", "RAS"), ("lps", "LPS"), ("sal", "SAL")):
        turned = ct.as_reoriented(
            nib.orientations.ornt_transform(
                nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(axes)
            )
        )
        nib.save(turned, tmp_path / f"{name}.nii.gz")
        found[name] = segment(backend, tmp_path / f"{name}.nii.gz", tmp_path / "raw.nii.gz")
    for name in found:
        assert np.array_equal(found[name]["classes"].data, labels), name
        assert np.allclose(found[name]["classes"].affine, ct.affine), name
    assert backend.provenance["label_map"][str(TOTAL["vertebrae_T12"])] == "vertebrae_T12"


def test_all_levels_ribs_muscles_and_vessels_arrive_in_our_codes(tmp_path, attenuation):
    from bonecast.segment.tissues import TISSUE_CODES, YIELDING

    labels = painted()
    ct = Volume(labels.astype(np.int16) * HU_PER_LABEL, np.diag([3.0, 3.0, 3.0, 1.0]))
    save(ct, tmp_path / "ct.nii.gz")
    (tmp_path / "license").write_text("x" * 18)
    options = {"tissue": "tissue_types", "license_file": str(tmp_path / "license")}
    backend = open_backend(settings(attenuation, **options))
    segment(backend, tmp_path / "ct.nii.gz", tmp_path / "p1.nii.gz")
    found = label_from_totalsegmentator(ct, tmp_path / "p1.nii.gz")
    levels = [name for name in TOTAL if name.startswith("vertebrae_")]
    assert len(levels) == 25
    for name in levels:
        code = VERSE_CODES[name.removeprefix("vertebrae_")]
        assert np.array_equal(found.whole.data == code, labels == TOTAL[name]), name
    structures = [name for name in TOTAL if TISSUE_CODES.get(name) not in {None, *YIELDING}]
    assert len(structures) == 33
    for name in structures:
        mine = found.tissue.data == TISSUE_CODES[name]
        assert np.array_equal(mine, labels == TOTAL[name]), name
    # What no specific structure claims is what the task for tissue says: here muscle above 50 HU.
    spleen = labels == TOTAL["spleen"]
    assert set(np.unique(found.tissue.data[spleen])) == {TISSUE_CODES["subcutaneous_fat"]}
    # Organs that only tell the phase of contrast do not take it from that task.
    kidneys = np.isin(labels, [TOTAL["kidney_left"], TOTAL["kidney_right"]])
    general = [TISSUE_CODES[name] for name in ("torso_fat", "skeletal_muscle")]
    assert np.unique(found.tissue.data[kidneys]).tolist() == general
    text = json.dumps([found.provenance, backend.provenance])
    assert "x" * 18 not in text and str(tmp_path) not in text


def test_the_embedded_network_in_totalsegmentators_place_finds_bodies(tmp_path, embedded, phantom):
    ct, label = phantom
    truth = network_classes(label) == 1
    save(ct, tmp_path / "ct.nii.gz")
    backend = open_backend(settings(embedded, bodies="vertebrae_body"))
    segment(backend, tmp_path / "ct.nii.gz", tmp_path / "p1.nii.gz")
    found = label_from_totalsegmentator(ct, tmp_path / "p1.nii.gz")
    assert set(np.unique(found.bodies.data)) == {0, VERSE_CODES["L3"]}
    body = found.bodies.data > 0
    assert 2 * (body & truth).sum() / (body.sum() + truth.sum()) > 0.8
    assert (found.whole.data[body] > 0).all()
    assert found.provenance["bodies"] == "vertebrae_body"
    assert "autochthon_left" in found.provenance["tissue"].values()


@pytest.mark.parametrize("hu", [0, -1024], ids=["crop to nothing", "air"])
def test_a_scan_without_anything_is_left_out_with_a_reason(tmp_path, attenuation, hu):
    ct = Volume(np.full((30, 30, 20), hu, np.int16), np.diag([2.0, 2.0, 3.0, 1.0]))
    save(ct, tmp_path / "ct.nii.gz")
    backend = open_backend(settings(attenuation))
    segment(backend, tmp_path / "ct.nii.gz", tmp_path / "p1.nii.gz")
    with pytest.raises(Excluded) as excluded:
        label_from_totalsegmentator(ct, tmp_path / "p1.nii.gz")
    assert excluded.value.reason == Reason.NO_VERTEBRA


def test_models_are_loaded_once_and_nothing_of_the_package_stays_changed(
    tmp_path, attenuation, monkeypatch
):
    ct = Volume(painted().astype(np.int16) * HU_PER_LABEL, np.diag([3.0, 3.0, 3.0, 1.0]))
    backend = open_backend(settings(attenuation))
    backend.infer(ct)
    import totalsegmentator.nnunet as engine
    import totalsegmentator.python_api as api

    before = (engine.nnUNetPredictor, engine.get_output_folder, api.download_pretrained_weights)
    environment, threads = dict(os.environ), torch.get_num_threads()

    def refuse(*arguments, **options):
        raise AssertionError("weights were read again")

    monkeypatch.setattr(torch, "load", refuse)
    again = backend.infer(ct)
    assert np.array_equal(again["classes"].data, painted())
    after = (engine.nnUNetPredictor, engine.get_output_folder, api.download_pretrained_weights)
    assert before == after
    assert (dict(os.environ), torch.get_num_threads()) == (environment, threads)


def test_results_are_kept_under_weights_and_options(repo, tmp_path, attenuation):
    plain = open_backend(settings(attenuation))
    assert plain.digest == open_backend(settings(attenuation)).digest
    (weights,) = needed_weights(fast=True, bodies=None, tissue=None)
    attenuation_model(repo, tmp_path, weights, list(class_map["total"].values()), patch=16)
    other = open_backend(settings(tmp_path))
    assert plain.digest != other.digest
    assert plain.provenance["model"]["sha256"] != other.provenance["model"]["sha256"]


PLAIN_RUN = """
import sys
import nibabel as nib
from totalsegmentator.python_api import totalsegmentator
image = totalsegmentator(
    nib.load(sys.argv[1]), None, ml=True, task="total", fast=True, device="cpu", quiet=True
)
nib.save(image, sys.argv[2])
"""


def test_no_voxel_differs_from_the_api_used_plainly(tmp_path, embedded, phantom):
    """The same models, each time read anew, with processes of their own."""
    save(phantom[0], tmp_path / "ct.nii.gz")
    home = tmp_path / "home"
    home.mkdir()
    config = {"totalseg_id": "", "send_usage_stats": False, "prediction_counter": 0}
    (home / "config.json").write_text(json.dumps(config))
    environment = os.environ | {
        "TOTALSEG_HOME_DIR": str(home),
        "TOTALSEG_WEIGHTS_PATH": str(embedded),
    }
    for name in ("raw", "preprocessed", "results"):
        environment[f"nnUNet_{name}"] = str(embedded)
    done = subprocess.run(
        [sys.executable, "-c", PLAIN_RUN, str(tmp_path / "ct.nii.gz"), str(tmp_path / "plain.nii")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    plain = load(tmp_path / "plain.nii").data
    backend = open_backend(settings(embedded))
    ours = backend.infer(backend.read(tmp_path / "ct.nii.gz"))["classes"].data
    assert np.array_equal(ours, plain)
    assert len(np.unique(plain)) > 2


def test_a_job_without_weights_says_what_to_do_and_downloads_nothing(tmp_path, attenuation):
    with pytest.raises(WeightsError) as caught:
        open_backend(settings(tmp_path / "weights"))
    assert "Dataset297_TotalSegmentator_total_3mm_1559subj.zip" in str(caught.value)
    assert not (tmp_path / "weights").exists()

    # Even where the API asks for weights that went missing since.
    (weights,) = needed_weights(fast=True, bodies=None, tissue=None)
    attenuated = attenuation / weights.dataset
    backend = open_backend(settings(attenuation))
    attenuated.rename(attenuation / "elsewhere")
    try:
        with pytest.raises(WeightsError, match="lacks the TotalSegmentator weights"):
            backend.infer(Volume(painted().astype(np.int16), np.diag([3.0, 3.0, 3.0, 1.0])))
    finally:
        (attenuation / "elsewhere").rename(attenuated)


OFFLINE_RUN = """
import json, socket, sys, warnings
warnings.simplefilter("ignore")
opened = []
def refuse(self, address, *rest):
    if self.family != socket.AF_UNIX:
        opened.append(str(address))
        raise OSError("no network in this test")
socket.socket.connect = socket.socket.connect_ex = refuse
def no_name(host, *rest, **options):
    opened.append(str(host))
    raise OSError("no network in this test")
socket.getaddrinfo = no_name
from bonecast.segment.backends import open_backend
backend = open_backend(json.loads(sys.argv[1]))
for _ in range(2):
    backend.infer(backend.read(sys.argv[2]))
import requests
try:
    requests.get("https://stats.totalsegmentator.com", timeout=1)
except requests.RequestException:
    print(len(opened), "attempts, the test's own included")
"""


def test_nothing_is_sent_and_nothing_written_to_the_home(repo, tmp_path, attenuation):
    home, scan = tmp_path / "home", tmp_path / "ct.nii.gz"
    home.mkdir()
    save(Volume(np.zeros((16, 16, 16), np.int16), np.diag([3.0, 3.0, 3.0, 1.0])), scan)
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("TOTALSEG", "XDG", "nnUNet", "MPL"))
    }
    environment |= {"HOME": str(home), "PYTHONPATH": str(repo / "scripts")}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE_RUN, json.dumps(settings(attenuation)), str(scan)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    # The last line shows that the trap works.
    assert done.stdout.splitlines()[-1] == "1 attempts, the test's own included"
    assert list(home.rglob("*")) == []


@pytest.mark.slow
def test_a_cohort_goes_through_the_workflow(run_snakemake, tmp_path, embedded):
    """From scans to masks by the rules; a second run has nothing to do."""
    torso = draw_torso(np.random.default_rng(11), trabecular_hu=130, scale=1.0)
    centre = tuple(torso.vertebra("L3").centre + [0, 10, 0])
    (tmp_path / "scans").mkdir()
    for name in ("p1", "p2"):
        scanner = Scanner((80, 80, 12), (2, 2, 3), centre, 12, 0.7)
        ct, _ = image_torso(torso, scanner, np.random.default_rng(1))
        save(ct, tmp_path / "scans" / f"{name}.nii.gz")
    segmentation = settings(embedded, bodies="vertebrae_body")
    config = {"cohort": {"name": "study", "input": "scans"}, "segment": segmentation}
    done = run_snakemake("segmentations", config=config)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("p1", "p2"):
        folder = tmp_path / "results/study/participants" / name
        about = json.loads((folder / "segmentation.json").read_text())
        assert (about["status"], about["backend"]) == ("ok", "totalsegmentator")
        assert about["levels"].keys() == {"L3"}
        assert about["label_map"][str(TOTAL["vertebrae_L3"])] == "L3"
        for file in ("vertebrae.nii.gz", "bodies.nii.gz", "tissue.nii.gz"):
            assert load(folder / file).data.any(), file
    assert str(tmp_path) not in json.dumps(about)
    again = run_snakemake("segmentations", "--dry-run", config=config)
    assert "Nothing to be done" in again.stdout + again.stderr
