"""Git, asked."""

import subprocess
from pathlib import Path


def read_git(root: Path, *words: str) -> str | None:
    """What a Git command prints; None where it fails or Git is missing."""
    command = ["git", "-C", str(root), *words]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="surrogateescape", check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
