"""Where and how torch computes: device, threads, precision, determinism.

The section `compute` of params.yaml -> a Machine that the training and inference code asks.
"""

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import torch

from captcha_tagger.base.errors import InputError
from captcha_tagger.base.work.address import keep_outside
from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.engine.params import Compute

PACKAGES = ("captcha-tagger", "dvc", "mlflow", "numpy", "torch", "torchvision")
# A training step of 32 images: 83 instead of 144 ms on one core with AVX-512 alone (Zen 4).
BFLOAT16_UNITS = ("amx_bf16", "avx512_bf16")


@dataclass(frozen=True)
class Machine:
    """The resolved choice; `precision` is that of training, evaluation is always float32.

    How many workers train, and where, stands not in its text, which is part of a resume file's key:
    it changes no bit, so others go on with the same file.
    """

    device: torch.device
    threads: int
    precision: torch.dtype
    deterministic: bool
    workers: int = field(default=1, repr=False)
    cluster: str | None = field(default=None, repr=False)

    def prepare(self) -> None:
        """Set torch's process-wide switches accordingly."""
        torch.set_num_threads(self.threads)
        torch.get_num_threads()  # from now on this thread's own, whatever others are given
        if self.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.allow_tf32 = False  # float32 is to mean float32 on every device
        # As use_deterministic_algorithms, which would import torch's compiler first (1.5 s).
        torch.set_deterministic_debug_mode("error" if self.deterministic else "default")
        # Nothing here reads memory before writing it; filling it cost a sixth of a training step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def autocast(self) -> AbstractContextManager[object]:
        if self.precision == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.precision)

    def describe(self) -> dict[str, str]:
        """What computed, in words: the device, and the versions of what matters to bits."""
        on_gpu = self.device.type == "cuda"
        return {
            "device": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "threads": str(self.threads),
            "precision": str(self.precision).removeprefix("torch."),
            "platform": platform.platform(),
            "version.python": platform.python_version(),
            **{f"version.{name}": number for name in PACKAGES if (number := _find_version(name))},
        }


def set_up(compute: Compute) -> Machine:
    """Resolve every `auto`, and prepare torch for it."""
    if compute.device == "cuda" and not torch.cuda.is_available():
        raise InputError("compute.device: no CUDA device here; set it to auto or cpu")
    use_cuda = compute.device == "cuda" or (compute.device == "auto" and torch.cuda.is_available())
    device = torch.device("cuda" if use_cuda else "cpu")
    threads = count_cores() if compute.threads == "auto" else compute.threads
    precision = _precision(compute.precision, device)
    cluster = keep_outside(compute.cluster)
    machine = Machine(device, threads, precision, compute.deterministic, compute.workers, cluster)
    machine.prepare()
    return machine


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _precision(wanted: str, device: torch.device) -> torch.dtype:
    if wanted == "auto":
        wanted = "bfloat16" if _multiplies_bfloat16_fast(device) else "float32"
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def _multiplies_bfloat16_fast(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BFLOAT16_UNITS)
