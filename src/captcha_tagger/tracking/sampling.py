"""What a training process takes of the machine: one sample at a time, appended to a CSV file.

Rows are (metric, ms since the start, value), named as the MLflow UI names system metrics.
"""

import csv
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

QUERY = ("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")
GPU_METRICS = ("utilization_percentage", "memory_usage_megabytes")
CPU_SECONDS = 1.0
IDLE_PERCENT = 25.0


def is_alive(facts: dict[str, Any]) -> bool:
    """Whether the process that told the facts still lives, not another one with its number."""
    with suppress(psutil.Error, KeyError):
        process = psutil.Process(facts["pid"])
        is_older = process.create_time() * 1000 <= facts["resumed"]
        return is_older and process.status() != psutil.STATUS_ZOMBIE
    return False


def sample_process(facts: dict[str, Any], path: Path) -> None:
    """Append one sample, unless the process or the file's folder has gone."""
    with suppress(psutil.Error, OSError):
        process = psutil.Process(facts["pid"])
        values = {
            "cpu_utilization_percentage": process.cpu_percent(CPU_SECONDS),
            "process_memory_usage_megabytes": process.memory_info().rss / 2**20,
            "system_memory_usage_percentage": psutil.virtual_memory().percent,
            **_sample_gpus(),
        }
        passed = time.time_ns() // 1_000_000 - facts["started"]
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows((f"system/{name}", passed, values[name]) for name in values)


def has_idle_core() -> bool:
    """Whether one of the cores did next to nothing in the next second."""
    return min(psutil.cpu_percent(CPU_SECONDS, percpu=True)) < IDLE_PERCENT


def _sample_gpus() -> dict[str, float]:
    """Use and memory of each NVIDIA GPU, as far as the driver's own tool works and knows."""
    found = {}
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        words = ["nvidia-smi", *QUERY]
        run = subprocess.run(words, capture_output=True, text=True, check=True, timeout=10)
        for index, line in enumerate(run.stdout.splitlines()):
            for name, text in zip(GPU_METRICS, line.split(","), strict=True):
                if text.strip().replace(".", "").isdigit():
                    found[f"gpu_{index}_{name}"] = float(text)
    return found
