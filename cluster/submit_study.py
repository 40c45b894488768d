"""`ray submit cluster/cluster.yaml cluster/submit_study.py -- OPTIONS`: `study.run` on the cluster's head.

`ray submit` copies one script to the head and runs it there; it cannot run a module. OPTIONS are those of
`python -m study.run`; `--address auto`, which joins the cluster, is added.
"""

import sys

from study.run import main

if __name__ == "__main__":
    sys.exit(main(["--address", "auto", *sys.argv[1:]]))
