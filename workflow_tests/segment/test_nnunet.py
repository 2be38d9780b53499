"""Any nnU-Net model folder: the same result as nnU-Net's own predictor, or a clear refusal."""

import json
import shutil

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

from bonecast.images import Volume
from bonecast.phantom.training import CLASSES, network_classes
from bonecast.segment.backends import open_backend
from bonecast.segment.model_folder import class_names
from bonecast.segment.nnunet import Network

SETTINGS = {
    "backend": "nnunet",
    "device": "cpu",
    "threads": 2,
    "folds": "all",
    "checkpoint": "final",
    "tile_step": 0.5,
    "mirroring": False,
}


def edit_json(path, **changes):
    """Change keys of a JSON file; returns its content."""
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))
    return content


def write_model(folder, *, folds=(0,), labels=None, order=None, spacing=(2.0, 2.0, 2.0), **more):
    """A tiny nnU-Net with random weights. Returns its folder."""
    labels = labels or {"background": 0, "body": 1, "arch": 2}
    dataset = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1}
    dataset |= {"file_ending": ".nii.gz"} | ({"regions_class_order": order} if order else {})
    heads = len(labels) - 1 if order else len(labels)
    transposed = more.pop("transpose_forward", [0, 1, 2])
    network = {
        "n_stages": 2,
        "features_per_stage": [4, 8],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
        "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1],
        "n_conv_per_stage_decoder": [1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    resampling = {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": "tiny",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [16, 12, 20],
        "spacing": list(spacing),
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": network,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": False,
    }
    for name in ("data", "seg", "probabilities"):
        configuration[f"resampling_fn_{name}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{name}_kwargs"] = resampling
    plans = {
        "dataset_name": "Dataset999_Tiny",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": transposed,
        "transpose_backward": [transposed.index(axis) for axis in range(3)],
        "configurations": {"3d_fullres": configuration | more},
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {"mean": 100.0, "std": 200.0, "percentile_00_5": -900, "percentile_99_5": 900}
        },
    }
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    (folder / "dataset.json").write_text(json.dumps(dataset))
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    for fold in folds:
        torch.manual_seed(7 + fold)
        built = PlainConvUNet(
            input_channels=1,
            num_classes=heads,
            deep_supervision=False,
            **network
            | {
                "conv_op": torch.nn.Conv3d,
                "norm_op": torch.nn.InstanceNorm3d,
                "nonlin": torch.nn.LeakyReLU,
            },
        )
        checkpoint = {
            "network_weights": built.state_dict(),
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": "3d_fullres"},
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        (folder / f"fold_{fold}").mkdir()
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder


@pytest.fixture
def own_scan() -> Volume:
    """Tissue without air, 2 x 2 x 2 mm, no axis as long as another, longer than a tile."""
    hu = np.random.default_rng(6).normal(60, 200, (22, 26, 18)).clip(-400, 900)
    return Volume(hu.astype(np.int16), np.diag([2.0, 2.0, 2.0, 1.0]))


def peer(model, ct: Volume, folds, mirroring=False, steps=0.5) -> np.ndarray:
    """nnU-Net's own result, from reading to decision, on a scan at the network's spacing."""
    predictor = nnUNetPredictor(
        tile_step_size=steps, use_mirroring=mirroring, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(model), folds)
    zyx = ct.data.transpose(2, 1, 0)[None].astype(np.float32)
    properties = {"spacing": list(ct.spacing_mm[::-1])}
    return predictor.predict_single_npy_array(zyx, properties).transpose(2, 1, 0)


REGIONS = {"background": 0, "vertebra": [1, 2], "arch": 2}


@pytest.mark.parametrize(
    ("model", "options", "own"),
    [
        ({}, {}, {}),
        ({"folds": (0, 1, 2)}, {}, {"folds": (0, 1, 2)}),
        ({"folds": (0, 1, 2)}, {"folds": [2, 0]}, {"folds": (2, 0)}),
        ({}, {"mirroring": True, "tile_step": 0.75}, {"mirroring": True, "steps": 0.75}),
        ({"transpose_forward": [1, 2, 0]}, {}, {}),
        ({"labels": REGIONS, "order": [1, 2]}, {}, {}),
        ({"labels": {**REGIONS, "ignore": 3}, "order": [2, 1]}, {}, {}),
    ],
    ids=["plain", "folds", "some folds", "mirroring", "transposed", "regions", "ignored"],
)
def test_result_is_that_of_nnunet_itself(tmp_path, own_scan, model, options, own):
    if "ignore" in model.get("labels", {}):
        heads = {"labels": REGIONS, "order": [2, 1]}
        folder = write_model(tmp_path / "model", **heads)
        edit_json(folder / "dataset.json", labels=model["labels"])
    else:
        folder = write_model(tmp_path / "model", **model)
    found = Network(folder, "cpu", 2, **options).segment(own_scan).data
    expected = peer(folder, own_scan, **{"folds": (0,)} | own)
    # Rounding may turn a voxel at which two classes are equal.
    assert (found == expected).mean() > 0.9999
    assert len(np.unique(expected)) > 1


def test_spacing_of_a_transposed_model_is_along_the_scans_axes(tmp_path):
    # Planned in the order y, x, z of nnU-Net's z, y, x.
    folder = write_model(tmp_path / "m", transpose_forward=[1, 2, 0], spacing=(1.5, 1.0, 3.0))
    network = Network(folder, "cpu")
    network.load()
    assert network.spacing_mm == (1.0, 1.5, 3.0)
    assert network.provenance["spacing_mm"] == [1.0, 1.5, 3.0]
    ct = Volume(np.full((40, 30, 20), 50, np.int16), np.diag([1.0, 1.5, 3.0, 1.0]))
    prepared = network.prepare(ct)
    assert prepared.shape == (20, 30, 40)
    assert prepared.data.shape == (1, 30, 40, 20)


def test_several_folds_of_the_embedded_model_give_the_mean_of_their_scores(tmp_path, model, lumbar):
    ct, _ = lumbar
    folder = tmp_path / "ensemble"
    shutil.copytree(model, folder)
    shutil.copytree(folder / "fold_0", folder / "fold_1")
    path = folder / "fold_1/checkpoint_final.pth"
    checkpoint = torch.load(path, weights_only=False)
    rng = torch.Generator().manual_seed(1)
    for name, values in checkpoint["network_weights"].items():
        if name.endswith("weight"):
            values += 0.05 * values.std() * torch.randn(values.shape, generator=rng)
    torch.save(checkpoint, path)

    def scores(folds):
        network = Network(folder, "cpu", 2, folds=folds)
        network.load()
        return network.infer(network.prepare(ct)).data.astype(np.float32)

    first, second, both = scores([0]), scores([1]), scores("all")
    assert np.abs(first - second).max() > 1
    # Scores are half-precision: three digits.
    np.testing.assert_allclose(both, (first + second) / 2, rtol=2e-3, atol=2e-2)

    predictor = nnUNetPredictor(use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), (0, 1))
    network = Network(folder, "cpu", 2)
    network.load()
    data = torch.from_numpy(network.prepare(ct).data)
    own = predictor.predict_logits_from_preprocessed_data(data).numpy()
    np.testing.assert_array_equal(own, both)


def test_the_embedded_network_finds_the_bodies(model, lumbar):
    ct, label = lumbar
    found = Network(model, "cpu", 2).segment(ct).data
    body = CLASSES.index("vertebral_body")
    a, b = found == body, network_classes(label) == body
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.85


def test_air_around_the_body_is_not_computed_and_changes_little(model, lumbar):
    ct, _ = lumbar
    wide = np.full([n + 80 for n in ct.data.shape], -1000, np.int16)
    inside = tuple(slice(40, 40 + n) for n in ct.data.shape)
    wide[inside] = ct.data
    network = Network(model, "cpu", 2)
    network.load()
    wide_ct = Volume(wide, ct.affine)
    prepared = network.prepare(wide_ct)
    tile = network._predictor.configuration_manager.patch_size
    assert all(
        n <= max(least, m + 10)
        for n, m, least in zip(
            prepared.data.shape[1:], network.prepare(ct).data.shape[1:], tile, strict=True
        )
    )
    found = network.segment(wide_ct).data
    assert not found[:30].any() and not found[:, :, -30:].any()
    a, b = found[inside] > 0, network.segment(ct).data > 0
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.9


def test_a_scan_of_air_has_no_classes(tmp_path):
    network = Network(write_model(tmp_path / "m"), "cpu")
    network.load()
    nothing = Volume(np.full((20, 20, 20), -1000, np.int16), np.diag([2.0, 2.0, 2.0, 1.0]))
    prepared = network.prepare(nothing)
    scores = np.zeros((3, *prepared.data.shape[1:]), np.float16)
    scores[0] = 5
    empty = type(prepared)(scores, prepared.box, prepared.shape, prepared.scan)
    assert not network.finish(empty)["classes"].data.any()


@pytest.fixture
def crowded(tmp_path, monkeypatch, own_scan):
    """A network as on a GPU whose memory is full as long as `full(predictor, on_device)`."""
    network = Network(write_model(tmp_path / "m"), "cpu")
    network.load()
    plain = network.infer(network.prepare(own_scan)).data
    network.device = "cuda"
    # Stands for the GPU: PyTorch tells it from "cpu" and computes there all the same.
    network._predictor.device = torch.device("cpu", 0)
    network._predictor.perform_everything_on_device = True
    original = nnUNetPredictor._internal_predict_sliding_window_return_logits
    attempts = []

    def limit(full):
        def predict(self, data, slicers, do_on_device=True):
            attempts.append((do_on_device, self.configuration_manager.patch_size, self.device))
            if full(self, do_on_device):
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return original(self, data, slicers, do_on_device)

        monkeypatch.setattr(
            nnUNetPredictor, "_internal_predict_sliding_window_return_logits", predict
        )

    return network, network.prepare(own_scan), plain, limit, attempts


def test_a_full_gpu_collects_scores_in_main_memory(crowded):
    network, prepared, plain, limit, attempts = crowded
    limit(lambda predictor, on_device: on_device)
    # nnU-Net alone would go on in silence; here it is seen, so that it can be recorded.
    with pytest.raises(MemoryError, match="CUDA out of memory"):
        network.infer(prepared)
    assert len(attempts) == 1
    assert network.fallbacks == ("results_on_cpu", "smaller_tiles", "cpu_device")
    np.testing.assert_array_equal(network.infer(prepared, "results_on_cpu").data, plain)
    # The next scan is tried as usual.
    limit(lambda predictor, on_device: False)
    network.infer(prepared)
    assert attempts[-1][0] is True


def test_a_fuller_gpu_sees_smaller_tiles(crowded):
    network, prepared, plain, limit, attempts = crowded
    limit(lambda predictor, _: predictor.configuration_manager.patch_size[0] > 8)
    with pytest.raises(MemoryError):
        network.infer(prepared, "results_on_cpu")
    found = network.infer(prepared, "smaller_tiles").data
    assert attempts[-1][:2] == (False, [8, 6, 10])
    assert found.shape == plain.shape
    assert network._predictor.configuration_manager.patch_size == [16, 12, 20]


def test_the_last_way_out_is_the_cpu(crowded):
    network, prepared, plain, limit, attempts = crowded
    limit(lambda predictor, _: predictor.device == torch.device("cpu", 0))
    for fallback in ("results_on_cpu", "smaller_tiles"):
        with pytest.raises(MemoryError):
            network.infer(prepared, fallback)
    np.testing.assert_array_equal(network.infer(prepared, "cpu_device").data, plain)
    assert attempts[-1][2] == torch.device("cpu")
    assert network._predictor.device == torch.device("cpu", 0)


def test_on_a_cpu_smaller_tiles_are_all_that_can_be_tried(model):
    assert Network(model, "cpu").fallbacks == ("smaller_tiles",)


def test_a_folder_without_a_model_is_refused_with_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"plans\.json"):
        Network(tmp_path)


def test_folds_and_checkpoints_that_are_not_there_are_named(tmp_path):
    folder = write_model(tmp_path / "m", folds=(0, 3))
    with pytest.raises(
        FileNotFoundError,
        match=r"no checkpoint_final\.pth for fold 1, 2 in m; there is "
        r"fold_0/checkpoint_final\.pth, fold_3/checkpoint_final\.pth",
    ):
        Network(folder, folds=[0, 1, 2])
    with pytest.raises(FileNotFoundError, match=r"no checkpoint_best\.pth for fold any"):
        Network(folder, checkpoint="best")
    (folder / "fold_3/checkpoint_final.pth").rename(folder / "fold_3/checkpoint_best.pth")
    best = Network(folder, checkpoint="best")
    assert list(best.weights) == ["3"]
    best.load()
    assert best.provenance["model"]["checkpoint"] == "best"


def test_the_network_trained_on_all_cases_is_taken_where_it_is_the_only_one(tmp_path):
    folder = write_model(tmp_path / "m")
    (folder / "fold_0").rename(folder / "fold_all")
    network = Network(folder, "cpu")
    network.load()
    assert network.provenance["model"]["folds"] == ["all"]
    shutil.copytree(folder / "fold_all", folder / "fold_2")
    assert list(Network(folder, "cpu").weights) == ["2"]


def test_models_that_need_more_than_a_ct_and_one_pass_are_refused(tmp_path):
    folder = write_model(tmp_path / "cascade", previous_stage="3d_lowres")
    with pytest.raises(ValueError, match="second stage of a cascade.*'3d_lowres'"):
        Network(folder, "cpu").load()
    folder = write_model(tmp_path / "slices", patch_size=[16, 12])
    with pytest.raises(ValueError, match=r"slices \(3d_fullres\) works on slices; expected 3d"):
        Network(folder, "cpu").load()
    folder = write_model(tmp_path / "two")
    edit_json(folder / "dataset.json", channel_names={"0": "CT", "1": "PET"})
    with pytest.raises(ValueError, match=r"takes 2 channels \(CT, PET\)"):
        Network(folder, "cpu")


def test_the_digest_knows_what_decides_a_voxel_and_nothing_else(tmp_path, monkeypatch):
    folder = write_model(tmp_path / "m", folds=(0, 1))
    digests = {
        Network(folder, **options).digest
        for options in ({}, {"folds": [0]}, {"folds": [1]}, {"tile_step": 0.7}, {"mirroring": True})
    }
    assert len(digests) == 5
    plain = Network(folder).digest
    assert Network(folder, "cuda", 7).digest == plain
    labels = {"background": 0, "corpus": 1, "arcus": 2}
    edit_json(folder / "dataset.json", labels=labels)
    assert Network(folder).digest == plain
    monkeypatch.setattr("bonecast.segment.nnunet.code_digest", lambda *paths: "edited")
    assert Network(folder).digest != plain


def test_provenance_names_model_versions_device_and_classes(model):
    backend = open_backend(SETTINGS | {"model": str(model)})
    backend.load()
    told = backend.provenance
    assert told["backend"] == "nnunet"
    assert told["model"]["name"] == "embedded_model" and len(told["model"]["sha256"]) == 64
    assert told["versions"].keys() == {"nnunetv2", "torch"}
    assert told["device"] == "cpu"
    assert told["label_map"]["1"] == "vertebral_body"
    json.dumps(told)


def test_a_backend_that_runs_no_network_is_refused():
    with pytest.raises(ValueError, match="masks runs no network"):
        open_backend(SETTINGS | {"backend": "masks"})


def test_class_names_of_regions_are_by_the_value_painted(tmp_path):
    folder = write_model(tmp_path / "m", labels=REGIONS, order=[1, 2])
    assert class_names(folder) == {0: "background", 1: "vertebra", 2: "arch"}


def test_embedded_model_is_small_and_documented(model):
    files = [path for path in model.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 15e6
    assert {"recipe.json", "dice.json", "training_log.txt"} <= {path.name for path in files}
    assert class_names(model) == dict(enumerate(CLASSES))


def test_only_a_gpu_leaves_threads_for_reading_and_writing(model):
    assert [Network(model, "cpu", threads).helpers for threads in (2, 8)] == [1, 1]
    assert [Network(model, "cuda", threads).helpers for threads in (1, 2, 8)] == [1, 1, 4]


def test_kernels_of_a_gpu_are_not_chosen_by_a_race(model):
    torch.backends.cudnn.benchmark = True
    Network(model, "cpu", 1).load()
    assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == (False, True)
