"""Where networks run, and that they give the same there in every run."""

import os
import warnings


def choose_device(wanted: str) -> str:
    """Where networks run: cuda or cpu.

    Args:
        wanted: as in segment.device: auto takes a GPU where PyTorch can use one.

    Raises:
        RuntimeError: cuda is asked for, and PyTorch can use no GPU here.
    """
    import torch

    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    why = (
        f"PyTorch {torch.__version__}, made for CUDA {torch.version.cuda}, can use no GPU here: "
        "`nvidia-smi` tells whether there is one and which CUDA its driver knows"
    )
    if wanted == "cuda":
        raise RuntimeError(f"segment.device: cuda, but {why}")
    if given := os.environ.get("CUDA_VISIBLE_DEVICES"):
        warnings.warn(
            f"GPU {given} was given to this job, but {why}. The CPU is used", stacklevel=2
        )
    return "cpu"


def use_repeatable_kernels() -> None:
    """Have CUDA take kernels that give the same in every run. Call it after a predictor is made.

    nnU-Net's predictor has each process try which kernels are fastest; two runs then differ in some
    voxels. The first of the repeatable ones takes about as long (docs/batches.md).
    """
    import torch

    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
