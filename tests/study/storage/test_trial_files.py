"""Where a trial reads and writes."""

from __future__ import annotations

import pickle
from pathlib import Path

from study.storage.trial_files import TrialFiles


def test_a_study_s_folder_holds_its_files():
    files = TrialFiles.of_study(Path("/r/demo"), Path("/sets/gz"), stage1=Path("/s1.pt"), storage="s3://b/demo")
    assert files.folder("0003") == Path("/r/demo/trials/0003")
    assert files.evaluation("0003", 40) == Path("/r/demo/trials/0003/evaluations/epoch-00040")
    assert (files.split, files.reference) == (Path("/r/demo/split.npz"), Path("/r/demo/reference.parquet"))
    assert pickle.loads(pickle.dumps(files)) == files
