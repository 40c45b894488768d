"""`ray submit cluster/cluster.yaml cluster/submit_study.py -- OPTIONS`: `study.run` on the cluster's head.

`ray submit` copies one script to the head and runs it there with whatever `python` the head's shell finds; it cannot
run a module. OPTIONS are those of `python -m study.run`; `--address auto`, which joins the cluster, is added.
"""

import os
import sys
from pathlib import Path

ENVIRONMENT = Path.home() / "galaxy-venv"
"""Where the cluster files install this program."""

if __name__ == "__main__":
    if ENVIRONMENT.exists() and Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        python = str(ENVIRONMENT / "bin" / "python")
        os.execv(python, [python, *sys.argv])
    from study.run import main

    sys.exit(main(["--address", "auto", *sys.argv[1:]]))
