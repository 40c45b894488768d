"""`python -m gan.enhance.features`: what it writes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from gan.datasets.synthetic import synthetic_set
from gan.enhance.features import main
from gan.enhance.models.feature_network import load_features
from gan.enhance.models.perceptual import feature_loss

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1


@pytest.fixture(scope="module")
def galaxy_set(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("set") / "galaxies"
    synthetic_set(path, 48, sizes=(16,), seed=0)
    return str(path)


def test_the_command_writes_features_that_a_loss_can_use(galaxy_set, tmp_path, capsys):
    out = tmp_path / "made" / "f.pt"
    small = ["--epochs", "1", "--width", "4", "--levels", "2", "--batch-size", "8", "--device", "cpu"]
    assert main([galaxy_set, "--out", str(out), "--column", "kind", *small]) == 0
    assert "task labels" in capsys.readouterr().out
    network, facts = load_features(out)
    assert facts["classes"] == ["disc", "elliptical"]
    assert network.config.outputs == 2
    assert feature_loss(str(out), channels=3)(noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)) > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "labels"], "--column"),
        (["--column", "nonsense"], "kind"),
        (["--column", "id"], "48 different values"),
        (["--epochs", "0"], "epochs"),
        (["--batch-size", "4000"], "batch_size"),
        (["--levels", "6"], "halved"),
        (["--size", "64"], "64 px"),
        (["--device", "nonsense"], "device"),
    ],
)
def test_the_command_says_what_is_wrong_and_writes_nothing(galaxy_set, tmp_path, capsys, options, said):
    out = tmp_path / "f.pt"
    assert main([galaxy_set, "--out", str(out), "--quiet", "--width", "2", *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()
