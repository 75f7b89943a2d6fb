"""Ingest by a cluster of two nodes beside the local one: images/s, memory, and are the bytes equal?

    python benchmarks/cluster_ingest.py SOURCE [--images 100000] [--lose] [--work W]

SOURCE is a folder of png images as for benchmarks/ingest.py, which makes the variants. Both nodes
are Ray's on this machine, each with half of its cores, so that they cannot be faster than the local
ingest: what they lack is what the cluster costs. With --lose, the second node is killed half way.
Memory is the resident one, of the largest process of the stage or of Ray's tasks.
"""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from ingest import MEGABYTE, ROOT, SAMPLE_SECONDS, add_images, write_params
from machine import describe_machine
from ruamel.yaml import YAML

from captcha_tagger.base.files import hash_path
from captcha_tagger.base.work.processes import count_cores
from captcha_tagger.base.work.session import ENVIRONMENT


class Run(NamedTuple):
    seconds: float
    largest: int  # resident bytes of the largest process
    md5: str


def run_stage(folder: Path, out: Path, cluster: str | None, half_way: Callable[[], None]) -> Run:
    """Run the stage; call half_way once it has joined half of the pixels."""
    work = out.parent
    write_params(work / "params.yaml", folder)
    yaml = YAML()
    params = yaml.load(work / "params.yaml")
    params["compute"]["cluster"] = cluster
    yaml.dump(params, work / "params.yaml")
    pixels = out.with_name(f".{out.name}.partial") / "pixels.npy"
    half = 5_000 * sum(1 for _ in folder.iterdir())
    began, largest, waits = time.perf_counter(), 0, True
    command = [sys.executable, str(ROOT / "stages/ingest.py"), str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *sys.path[1:]])}
    with subprocess.Popen(command, cwd=work, env=environment, stderr=subprocess.DEVNULL) as stage:
        while stage.poll() is None:
            largest = max([largest, *list_resident_bytes(stage.pid)])
            if waits and pixels.exists() and pixels.stat().st_size > half:
                waits = False
                half_way()
            time.sleep(SAMPLE_SECONDS)
    if stage.returncode:
        raise SystemExit(f"ingest of {folder} failed with exit code {stage.returncode}")
    found = hash_path(work, out.name)
    assert found is not None
    return Run(time.perf_counter() - began, largest, found["md5"])


def list_resident_bytes(stage: int) -> list[int]:
    """Of the processes below this one: the nodes' workers, and the stage with its own."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        try:
            name = process.name()
            if name.startswith("ray::") or process.pid == stage or process.ppid() == stage:
                sizes.append(process.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return sizes


def start_nodes() -> tuple[Any, Any]:
    """A Ray of two nodes, each with half of the cores; and the second of them."""
    os.environ.update(ENVIRONMENT, RAY_AUTH_TOKEN=secrets.token_hex(32))
    from ray.cluster_utils import Cluster  # reads them when it is imported

    cores = max(1, count_cores() // 2)
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": cores, "include_dashboard": False}
    )
    return cluster, cluster.add_node(num_cpus=cores)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--lose", action="store_true", help="kill the second node half way")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        work = Path(name).resolve()
        add_images(options.source, work / "images", options.images)
        local = run_stage(work / "images", work / "local", None, lambda: None)
        cluster, second = start_nodes()

        def lose() -> None:
            if options.lose:
                threading.Thread(
                    target=cluster.remove_node,
                    args=(second,),
                    kwargs={"allow_graceful": False},
                    daemon=True,
                ).start()

        try:
            two = run_stage(work / "images", work / "cluster", cluster.address, lose)
        finally:
            cluster.shutdown()
        print("   images | local images/s | two nodes | largest MB local | two nodes | equal")
        print(
            f"{options.images:9,} | {options.images / local.seconds:14,.0f} | "
            f"{options.images / two.seconds:9,.0f} | {local.largest / MEGABYTE:16,.0f} | "
            f"{two.largest / MEGABYTE:9,.0f} | {'yes' if local.md5 == two.md5 else 'NO'}"
        )


if __name__ == "__main__":
    main()
