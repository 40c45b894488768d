"""Which model a command takes: files, studies, chains, MLflow's runs and registered models."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gan.config import ModelConfig
from gan.models import build
from gan.sample import noise, sample, to_uint8
from gan.training import checkpoint
from study.config.errors import InputError
from study.generation.generate import generate
from study.results.models import find_model, load_model
from tests.study.trained import read_back, trained


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("model") / "c.pt")


def test_a_study_folder_means_its_best_checkpoint(saved, tmp_path):
    (tmp_path / "results/mine/best").mkdir(parents=True)
    best = tmp_path / "results/mine/best/checkpoint.pt"
    best.write_bytes(saved.read_bytes())
    assert find_model(str(tmp_path / "results/mine"), tmp_path) == best
    with pytest.raises(InputError, match=r"studies there: .*mine"):
        find_model(str(tmp_path / "results"), tmp_path)


def test_the_authors_bare_weights_are_a_model(tmp_path):
    generator, _ = build(ModelConfig(image_size=64, width=4))
    weights = {key: value for key, value in generator.state_dict().items() if "num_batches" not in key}
    torch.save(weights, tmp_path / "dcgan_G.pth")
    model = load_model(str(tmp_path / "dcgan_G.pth"))
    manifest = generate(model, tmp_path / "g", count=3, kind="npy", catalogue=False)
    assert manifest["request"]["galaxy"] == [64, 64, 3]
    assert np.array_equal(read_back(tmp_path / "g", "npy"), sample(generator, 3, seed=0))


def enlarger(path: Path, **fields) -> Path:
    """Weights of a Stage-II as the authors released theirs."""
    settings = {"family": "stackgan", "image_size": 128, "width": 4, "discriminator_width": 2} | fields
    network, _ = build(ModelConfig(**settings))
    torch.save({key: value for key, value in network.state_dict().items() if "num_batches" not in key}, path)
    return path


def test_a_chain_draws_what_its_two_stages_draw_in_turn(tmp_path):
    """z -> 64 px -> (x + 1) / 2 -> 128 px, as F&M sec. 2.3; resumed like any other."""
    first = trained(tmp_path / "first.pt", ModelConfig(image_size=64, width=2, latent_dim=8))
    chain = load_model(str(first), str(enlarger(tmp_path / "second.pth")))
    assert (chain.image_size, chain.channels) == (128, 3)
    manifest = generate(chain, tmp_path / "g", count=3, kind="npy", seed=2)
    assert manifest["request"]["galaxy"] == [128, 128, 3]
    assert set(manifest["models"]) == {"model", "enlarge"}
    stage1, _ = checkpoint.load_generator(first)
    stage2, _ = checkpoint.load_enlarger(tmp_path / "second.pth")
    with torch.inference_mode():
        z = torch.from_numpy(noise(2, 0, 64, 8))
        drawn = to_uint8(stage2((stage1(z) + 1) / 2))[:3].numpy()
    assert np.array_equal(read_back(tmp_path / "g", "npy"), drawn)
    other = load_model(str(first), str(enlarger(tmp_path / "third.pth", width=5)))
    with pytest.raises(InputError, match=r"enlarge\.sha256"):
        generate(other, tmp_path / "g", count=3, kind="npy", seed=2)


def test_stages_that_do_not_fit_are_refused(saved, tmp_path):
    with pytest.raises(InputError, match="draws images of 16 px, but the second enlarges images of 64 px"):
        load_model(str(saved), str(enlarger(tmp_path / "second.pth")))
    five = trained(tmp_path / "5.pt", ModelConfig(image_size=64, width=2, latent_dim=8, channels=5))
    with pytest.raises(InputError, match="takes 3 bands, and --model draws 5"):
        load_model(str(five), str(tmp_path / "second.pth"))
    with pytest.raises(InputError, match="which enlarges images"):
        load_model(str(tmp_path / "second.pth"))


def test_mlflow_runs_and_registered_models(saved, tmp_path):
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment).info
    (tmp_path / "checkpoint.pt").write_bytes(saved.read_bytes())
    client.log_artifact(run.run_id, str(tmp_path / "checkpoint.pt"), "model")
    client.create_registered_model("galaxies")
    client.create_model_version("galaxies", f"{run.artifact_uri}/model", run_id=run.run_id)
    client.set_registered_model_alias("galaxies", "best", "1")
    for name in (f"runs:/{run.run_id}", "models:/galaxies/1", "models:/galaxies@best"):
        found = find_model(name, tmp_path, tracking_uri=uri)
        assert found.read_bytes() == saved.read_bytes()
    for name in ("runs:/0123", "models:/galaxies/7", "models:/galaxies/latest", "models:/nothing/1"):
        with pytest.raises(InputError, match="not to be had from MLflow"):
            find_model(name, tmp_path, tracking_uri=uri)
