"""Histograms of an evaluation, drawn after its worker."""

import shutil

import numpy as np
from PIL import Image

from study.config import load_study
from study.tasks.generation.pictures import draw_histograms


def test_they_are_drawn_once_into_the_evaluations_folder(results, tmp_path):
    home = shutil.copytree(results / "search", tmp_path / "search")
    study = load_study(home / "study.yaml")
    folder = home / "trials" / "0000" / "evaluations" / "epoch-00001"
    path = draw_histograms(folder, study)
    assert path == folder / "histograms.png" and np.asarray(Image.open(path)).std() > 0
    path.write_bytes(b"as it is")
    assert draw_histograms(folder, study) == path and path.read_bytes() == b"as it is"


def test_a_diverged_trial_has_nothing_to_draw(results, tmp_path):
    study = load_study(results / "search" / "study.yaml")
    assert draw_histograms(tmp_path, study) is None and list(tmp_path.iterdir()) == []
