"""What a training process takes of the machine: one sample at a time, appended to a CSV file.

Rows are (metric, time in ms, value), under the names that the MLflow UI shows as system metrics.
"""

import csv
import shutil
import subprocess
import time
from pathlib import Path

import psutil

GPU_FIELDS = ("utilization.gpu", "memory.used")
GPU_METRICS = ("gpu_{}_utilization_percentage", "gpu_{}_memory_usage_megabytes")
CPU_SECONDS = 1.0


def sample_process(pid: int, path: Path) -> bool:
    """Append one sample; returns whether the process still lives."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        values = {
            "cpu_utilization_percentage": process.cpu_percent(CPU_SECONDS),
            "process_memory_usage_megabytes": process.memory_info().rss / 2**20,
            "system_memory_usage_percentage": psutil.virtual_memory().percent,
        }
    except psutil.NoSuchProcess:
        return False
    now = time.time_ns() // 1_000_000
    with path.open("a", newline="", encoding="utf-8") as file:
        rows = {**values, **_sample_gpus()}
        csv.writer(file).writerows((f"system/{name}", now, rows[name]) for name in rows)
    return True


def _sample_gpus() -> dict[str, float]:
    """Use and memory of each NVIDIA GPU, as the driver's own tool says."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    query = [tool, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    run = subprocess.run(query, capture_output=True, text=True, check=False, timeout=10)
    found = {}
    for index, line in enumerate(run.stdout.splitlines()):
        for name, text in zip(GPU_METRICS, line.split(","), strict=True):
            if text.strip().replace(".", "").isdigit():
                found[name.format(index)] = float(text)
    return found
