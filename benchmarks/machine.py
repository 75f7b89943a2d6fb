"""The machine that a table was made on, in one line."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from captcha_tagger.base.work.processes import count_cores

UNITS = ("avx2", "avx512_f", "avx512_bf16", "avx512_fp16", "amx_bf16")  # that multiply matrices


def describe_machine() -> str:
    """Cores, processor and what it multiplies with, versions, and how busy it is."""
    number = count_cores()
    cores = "1 core" if number == 1 else f"{number} cores"
    return (
        f"{cores}, {name_processor()} ({', '.join(list_units())}), "
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"load average {os.getloadavg()[0]:.2f} at the start"
    )


def name_processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def list_units() -> list[str]:
    """The processor's vector and matrix units, and how many of them oneDNN may use."""
    import torch  # not before the package has said how its threads wait

    capabilities = torch.cpu.get_capabilities()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    found = [name for name in UNITS if capabilities.get(name)] or ["no vector unit known"]
    return [*found, f"oneDNN limited to {limit}"] if limit else found
