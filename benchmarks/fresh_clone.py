"""A fresh clone of a repository, in which command lines run as a reader would type them."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

SOMEBODY = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")
ADDRESS = ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
HOME = "~/captcha-tagger"  # in place of where the clone happens to lie
LEFT_OUT = re.compile(  # advice of DVC and Git, the course of trainings
    r"|> PYTHONPATH=.*|.* epoch \d+: .*|.*did not take the record in time.*|"
    r"Generating lock file.*|Updating lock file.*|Use `dvc push`.*|\s+git add.*|"
    r"To track the changes.*|To enable auto staging.*|\s+dvc config core.autostage.*|"
    r"Adding '.*' to '\.gitignore'\.?|Stage '.*' didn't change, skipping|"
    r"'.*\.dvc' didn't change, skipping|\d+% .*|"
    r"To apply the results.*|\s+dvc exp (apply|branch).*|To promote.*"
)
SETTLE_SECONDS, QUEUE_SECONDS = 600, 3600


class FreshClone:
    """A clone of what is committed in `source`, with a cache and a record of its own."""

    def __init__(self, source: Path, root: Path) -> None:
        subprocess.run(["git", "clone", "--quiet", source, root], check=True)
        self.root = root

    def environment(self) -> dict[str, str]:
        hidden = ("DVC_", "MLFLOW_", "GIT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        return {
            **kept,
            **dict.fromkeys(SOMEBODY, "Somebody"),
            **dict.fromkeys(ADDRESS, "somebody@example.org"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "src"),
            "COLUMNS": "100",
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def run(self, line: str) -> str:
        """What the line says, errors among it; SystemExit when it fails."""
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.root, env=self.environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"$ {line}\n{done.stdout}exit code {done.returncode}")
        return done.stdout

    def wait_for_queue(self) -> None:
        """Until the workers that `dvc queue start` left behind have ended."""
        end = time.monotonic() + QUEUE_SECONDS
        while "Worker status: 0 active, 0 idle" not in self.run("dvc queue status"):
            if time.monotonic() > end:
                raise SystemExit("the queue does not end")
            time.sleep(5)

    def settle(self) -> None:
        """Wait until MLflow's store has all; on a busy machine stages do not wait so long."""
        end = time.monotonic() + SETTLE_SECONDS
        while any((self.root / ".state" / "outbox").glob("*")) and time.monotonic() < end:
            time.sleep(0.5)


class Transcript:
    """Prose, and commands with what they said, as Markdown."""

    def __init__(self, clone: FreshClone) -> None:
        self.clone = clone
        self._blocks: list[str] = []
        self._fenced = False

    def say(self, text: str) -> None:
        self._blocks.append(text)
        self._fenced = False

    def run(self, line: str) -> str:
        """Run a line in the clone, and show it with what it says but for what is left out."""
        said = self.clone.run(line)
        self.show(f"$ {line}\n{shorten(said, self.clone.root)}".rstrip())
        return said

    def show(self, text: str) -> None:
        if self._fenced:
            self._blocks[-1] = f"{self._blocks[-1].removesuffix('```')}\n{text.rstrip()}\n```"
        else:
            self._blocks.append(f"```\n{text.rstrip()}\n```")
        self._fenced = True
        print(text, flush=True)

    def __str__(self) -> str:
        return "\n\n".join(self._blocks)


def shorten(said: str, root: Path) -> str:
    """Without what is left out, and without the place of the clone."""
    lines = [line for line in said.splitlines() if not LEFT_OUT.fullmatch(line)]
    return "\n".join(line.replace(str(root), HOME).rstrip() for line in lines)
