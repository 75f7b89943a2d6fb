import os
import subprocess
from pathlib import Path

import pytest

from captcha_tagger.base.work.processes import step_back

AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.parametrize("leads_session", [True, False])
def test_a_background_process_steps_back(leads_session: bool) -> None:
    """One in the session of a terminal held back all that ran there, for good."""
    before = AUTOGROUP.read_text() if AUTOGROUP.exists() else ""
    with subprocess.Popen(["sleep", "60"], start_new_session=leads_session) as process:
        try:
            step_back(process.pid)
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
            if before:
                group = Path(f"/proc/{process.pid}/autogroup").read_text()
                assert group.endswith("nice 19\n") or not leads_session
                assert AUTOGROUP.read_text() == before
        finally:
            process.kill()
