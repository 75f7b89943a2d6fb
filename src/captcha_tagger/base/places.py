"""Where things live that outlast a run without being outputs: `.state/` of the DVC root.

`dvc exp run --temp` and `--queue` work in copies that are thrown away; DVC_ROOT still names the
repository itself.
"""

import os
from pathlib import Path


def root_folder() -> Path:
    """The repository, also from inside one of DVC's temporary copies."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def state_folder() -> Path:
    return root_folder() / ".state"


def source_folder() -> Path:
    """Where a process that outlives this one finds the package: a temporary copy goes away."""
    lasting = root_folder() / "src"
    return lasting if (lasting / "captcha_tagger").is_dir() else Path(__file__).resolve().parents[2]
