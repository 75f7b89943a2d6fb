"""What every stage script shares: paths in, one clear line when something is wrong."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from captcha_tagger.base.collector import keep_imports
from captcha_tagger.base.errors import InputError, NonFiniteLossError, exit_code
from captcha_tagger.base.interrupts import INTERRUPTED, keep_interrupts
from captcha_tagger.base.shown import accept_all_characters, escape


def run(main: Callable[..., None], then: Callable[[str], None] | None = None) -> NoReturn:
    """Call `main` with the command line's paths and exit: 0, 2 for bad input, 1 for the machine,
    130 after Ctrl-C.

    `then` is called with the stage's name when all went well.

    A full disk, a read-only folder (OSError) or a diverged training is one line too; a bug keeps
    its traceback.
    """
    keep_imports()
    accept_all_characters()
    name = Path(sys.argv[0]).stem
    try:
        with keep_interrupts():
            main(*map(Path, sys.argv[1:]))
    except InputError as error:
        print(f"{name}: {escape(str(error))}", file=sys.stderr)
        sys.exit(2)
    except NonFiniteLossError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{name}: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if then is not None:
        then(name)
    sys.exit(0)
