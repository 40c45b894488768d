"""A study's folder: who owns it, and whether it may be continued."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from study.config import load_study
from study.config.errors import InputError
from study.storage.study_folder import StudyFolder

ROOT = Path(__file__).resolve().parents[3]


def make(folder, *overrides):
    path = folder / "space.yaml"
    path.write_text("study: demo\nsearch: {trials: 1}\n")
    return load_study(path, overrides)


def begun(tmp_path):
    folder = StudyFolder(tmp_path / "results", make(tmp_path))
    folder.open()
    folder.release()
    return folder


def test_what_was_begun_can_be_continued_and_not_begun_again(tmp_path):
    begun(tmp_path)
    again = StudyFolder(tmp_path / "results", make(tmp_path))
    assert again.exists
    again.check(resume=True, command="go on")
    with pytest.raises(InputError, match=r"holds this study already[\s\S]*go on"):
        again.check(resume=False, command="go on")


def test_what_was_not_begun_cannot_be_continued(tmp_path):
    with pytest.raises(InputError, match="no study in"):
        StudyFolder(tmp_path, make(tmp_path)).check(resume=True, command="")


def test_other_settings_are_shown_as_a_difference(tmp_path):
    begun(tmp_path)
    other = StudyFolder(tmp_path / "results", make(tmp_path, "train.lr=0.001"))
    with pytest.raises(InputError, match=r"other settings[\s\S]*lr: 0.001"):
        other.check(resume=True, command="")
    StudyFolder(tmp_path / "results", make(tmp_path, "resources.workers=2")).check(resume=True, command="")


def test_one_process_at_a_time(tmp_path):
    folder = StudyFolder(tmp_path / "results", make(tmp_path))
    folder.open()
    code = (
        "import sys; from study.config import load_study; from study.storage.study_folder import StudyFolder\n"
        "from pathlib import Path; StudyFolder(Path(sys.argv[2]), load_study(sys.argv[1])).open()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "space.yaml"), str(tmp_path / "results")]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert refused.returncode and "is running this study" in refused.stderr
    folder.release()
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120).returncode == 0


def test_the_state_is_kept_and_added_to(tmp_path):
    folder = begun(tmp_path)
    folder.save(ended=12.5)
    state = json.loads((folder.path / "state.json").read_text())
    assert state["ended"] == 12.5 == StudyFolder(tmp_path / "results", make(tmp_path)).saved("ended")
    assert state["study_id"] and folder.saved("nothing") is None


def test_a_file_in_the_place_of_the_results_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="taken is not a folder"):
        StudyFolder(tmp_path / "taken", make(tmp_path)).check_writable()
    StudyFolder(tmp_path / "new" / "deep", make(tmp_path)).check_writable()
    assert not (tmp_path / "new").exists()
