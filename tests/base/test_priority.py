import os
import subprocess

from captcha_tagger.base.processes import step_back


def test_a_background_process_steps_back() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        try:
            step_back(process.pid)
            assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        finally:
            process.kill()
