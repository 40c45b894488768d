"""The paper's figures from small studies that were really trained: what can be made, what is said of the rest."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.catalogue import read_catalogue, write_catalogue
from eval.measure import measure
from gan.datasets.synthetic import synthetic_set
from gan.training import checkpoint
from gan.training.trainer import Trainer
from study.config.study import load_study
from study.figures import main
from study.paper_figures.data import FigureUnavailable, drawn, losses, one_factor, read_source, sheet_path, tiles
from study.search.searcher import HistorySearch, open_history
from study.tasks.generation.evaluation import Reference, evaluate, objectives, write_evaluation
from study.tasks.generation.sampling import Drawing, sizes, training_images

COUNT, KEPT, DRAWN = 100, 40, 20
ABLATION = """
study: ablation
data: {set: synthetic, synthetic_count: 100}
model: {width: 2, latent_dim: 4}
train: {epochs: 2, batch_size: 10}
objective: {samples: 50, every_epochs: 1, finalists: 0}
search: {sampler: ablation}
axes:
  model.kernel_size: {choice: [4, 6]}
  train.dropout.placement: {choice: [none, generator, discriminator, both]}
  width_and_batch: {points: [{model.width: 3, train.batch_size: 20}]}
"""
STAGE2 = """
study: stage2
data: {set: synthetic, synthetic_count: 100, image_size: 128}
model: {family: stackgan, width: 2, discriminator_width: 2}
train: {epochs: 1, batch_size: 10}
objective: {samples: 50, every_epochs: 1, finalists: 0}
search: {sampler: ablation}
axes:
  train.label_smoothing: {choice: [0.0, 0.3]}
"""
DROPOUT_128 = """
study: dropout128
data: {set: synthetic, synthetic_count: 100, image_size: 128}
model: {width: 2, latent_dim: 4}
train: {epochs: 2, batch_size: 10, dropout: {placement: discriminator_last, onset_epoch: 1}}
objective: {samples: 50, every_epochs: 1, finalists: 0}
search: {sampler: ablation}
axes:
  to_one: {points: [{train.dropout.onset_epoch: 0, train.dropout.end_epoch: 1}]}
"""


def run(results: Path, text: str, *, trials: int | None = None) -> Path:
    """A study's folder, its trials trained and judged as `study.trials.worker` and `study.search.searcher` do."""
    name = re.search(r"study: (\w+)", text)[1]  # type: ignore[index]
    folder = results / name
    folder.mkdir()
    (folder / "study.yaml").write_text(text)
    study = load_study(folder / "study.yaml")
    sides = sizes(study.model)
    place = results / ".cache" / f"synthetic-{COUNT}-{'-'.join(map(str, sides))}px-seed0"
    galaxies = synthetic_set(place, COUNT, sizes=sides, seed=0)
    train, reference = np.arange(COUNT - KEPT), np.arange(COUNT - KEPT, COUNT)
    np.savez(folder / "split.npz", train=train, reference=reference)
    (folder / "state.json").write_text(json.dumps({"study_id": name, "begun": 0.0, "ended": 1.0}))
    real = galaxies.images(study.data.image_size)[reference]
    judge = Reference(measure(real), real)
    write_catalogue(judge.catalogue, folder / "reference.parquet")
    history = open_history(study, folder / "optuna.db")
    search = HistorySearch(study, history)
    for planned in study.planned()[:trials]:
        config = search.suggest(f"trial {len(history.trials)}")
        point, seed, home = config["point"], planned.seed, config["name"]
        assert (point, config["role"]) == (planned.point, planned.role)
        model, settings = study.configure(point, seed)
        trainer = Trainer(model, settings, training_images(galaxies, model, train), device="cpu", threads=1)
        drawing = Drawing(str(place), str(folder / "split.npz"), model, None)
        while trainer.epoch < settings.epochs:
            trainer.train_epoch()
            images = drawing.draw(trainer.generator_for_sampling(), DRAWN, seed=seed)
            evaluation = evaluate(images, judge, engine="fast")
            values = objectives(evaluation.metrics, study.objective.metrics)
            facts = {"trial": home, "epoch": trainer.epoch, "objective": values["ks_mean"], "objectives": values}
            target = folder / "trials" / home
            write_evaluation(evaluation, target / "evaluations" / f"epoch-{trainer.epoch:05d}", facts)
            (target / f"epoch-{trainer.epoch:05d}").mkdir()
            checkpoint.save(trainer, target / f"epoch-{trainer.epoch:05d}" / "checkpoint.pt")
        history.tell(config["number"], values["ks_mean"])
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("results")
    run(home, ABLATION)
    run(home, STAGE2, trials=1)
    run(home, DROPOUT_128)
    return home


@pytest.fixture(scope="module")
def chain(results, tmp_path_factory) -> tuple[Path, dict[str, str], str]:
    """All figures of the ablation, chained with the second study: the folder, the digests before, what was printed."""
    out = tmp_path_factory.mktemp("figures") / "chain"
    before = snapshot(results)
    assert main(["ablation", "--results", str(results), "--stage2", "stage2", "--out", str(out), "-n", "24"]) == 0
    return out, before, (out / "captions.md").read_text()


def snapshot(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def section(captions: str, name: str) -> str:
    found = re.search(rf"## {name}\n\n!\[.*?\n\n(.*?)\n\n", captions + "\n\n", re.S)
    assert found is not None, name
    return found[1]


def test_an_ablation_with_a_second_stage_has_the_papers_figures(chain):
    out, _, _ = chain
    names = {path.name for path in out.iterdir()}
    assert names == {
        "captions.md",
        "figure_2_kernel_size.png",
        "figure_3_dropout.png",
        "figure_5_enlarged.png",
        "figure_6_chain.png",
        "figure_7_closest_match.png",
        "figure_7_distances.png",
        "figure_8_histograms_64.png",
        "figure_9_histograms_chain.png",
        "real_and_generated.png",
        "training_progress.png",
        "ablation_width_and_batch.png",
    }
    for path in out.glob("*.png"):
        with Image.open(path) as image:
            assert image.width >= 1500 and np.asarray(image.convert("L")).std() > 5


def test_a_missing_figure_says_what_would_make_it(chain):
    _, _, captions = chain
    said = captions.split("## Not made")[1]
    assert "figure 4: needs a study of a DCGAN at 128 px" in said and "search_spaces/dcgan128.yaml" in said
    assert "losses: the losses are in the study's MLflow store" in said
    assert said.count("\n- ") == 2


def test_the_study_is_left_as_it_was(results, chain):
    _, before, _ = chain
    assert snapshot(results) == before


def test_captions_state_data_n_epochs_and_trial(chain):
    _, _, captions = chain
    for name in ("Figure 2", "Figure 3", "Figure 6", "Figure 7", "Figure 8", "Figure 9", "Training"):
        text = section(captions, name)
        assert "synthetic galaxies" in text and "60 to train on, 40 as reference (held out" in text
        assert "Study ablation" in text and re.search(r"trial 000\d, epoch [12] of 2", text)
    assert "K = 6: trial 0001" in section(captions, "Figure 2")
    assert "n = 20 generated" in section(captions, "Figure 8")
    assert "n = 24 generated" in section(captions, "Figure 9")
    assert "Stage-II: Study stage2, trial 0000, epoch 1 of 1" in section(captions, "Figure 9")
    assert "Reference at 128 px: that of stage2" in section(captions, "Figure 9")


def test_histogram_caption_has_the_failure_shares_of_the_catalogues(results, chain):
    source = read_source(results / "ablation")
    _, folder = source.judged(source.leader)
    shares = [(read_catalogue(path)["status"] != "ok").mean() for path in (
        results / "ablation/reference.parquet", folder / "generated.parquet")]  # fmt: skip
    expected = f"Without a fit: {shares[0]:.1%} of the real, {shares[1]:.1%} of the generated"
    assert expected in section(chain[2], "Figure 8")


def test_rows_are_the_galaxies_that_the_trial_drew(results):
    """What is cut from a sheet is what the checkpoint of that epoch draws, value for value."""
    from gan.sample import sample
    from gan.training.checkpoint import load_generator

    source = read_source(results / "ablation")
    row = source.leader
    images, epoch = drawn(source, row, 8)
    generator, _ = load_generator(row.checkpoint(epoch))
    assert np.array_equal(images, sample(generator, 8, seed=row.seed))
    assert len(tiles(sheet_path(row, epoch), 64, 1000)) >= DRAWN


def test_trials_of_one_factor_differ_in_nothing_else(results):
    source = read_source(results / "ablation")
    found = one_factor(source, "model.kernel_size", (4, 6))
    assert found[4].point == {} and found[6].point == {"model.kernel_size": 6}
    assert set(one_factor(source, "train.dropout.placement", ("both",))) == {
        "none", "generator", "discriminator", "both"}  # fmt: skip
    assert one_factor(source, "train.label_smoothing", (0.3,)) == {}


def test_a_study_at_128_px_has_figure_4(results, tmp_path, capfd):
    assert main(["dropout128", "--results", str(results), "--out", str(tmp_path), "--format", "pdf", "-n", "20"]) == 0
    said = capfd.readouterr().out
    assert "figure_4_dcgan_128.pdf" in said and "histograms.pdf" in said
    assert "figure 8           not made: needs a study of a DCGAN at 64 px" in said
    text = section((tmp_path / "captions.md").read_text(), "Figure 4")
    assert "Dropout to the end D width 2: trial 0000" in text
    assert "Dropout removed after epoch 1 D width 2: trial 0001" in text


def test_a_study_of_the_second_stage_enlarges_real_galaxies_only(results, tmp_path, capfd):
    assert main(["stage2", "--results", str(results), "--out", str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "figure_5_enlarged.png" in said
    for number in (6, 9):
        assert f"figure {number}           not made: needs the chain" in said
    assert "figure 7           not made: needs galaxies from noise" in said


def test_losses_come_from_the_studys_own_runs(results, tmp_path):
    """Every epoch of the right trial of the right study, as MLflow keeps them."""
    from study.tracking.mlflow_tracker import Tracker

    source = read_source(results / "ablation")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    for identity, offset in (("ablation", 0.0), ("another", 5.0)):
        tracker = Tracker(uri, source.study, identity, tmp_path / "artifacts")
        tracker.start({})
        for name in ("0000", "0001"):
            history = [
                {"epoch": e, "loss/generator": e + offset, "loss/discriminator": e + int(name) + offset} for e in (1, 2)
            ]
            config = {"name": name, "point": {}, "role": "baseline", "seed": 0, "model": {}, "train": {}}
            tracker.trial_result(config, {"epoch": 2, "history": history})
        assert tracker.close("FINISHED") == 0
    source.state["tracking_uri"] = uri
    row = next(row for row in source.rows if row.name == "0001")
    found = losses(source, row)
    assert found["generator"].tolist() == [[1, 1], [2, 2]]
    assert found["discriminator"].tolist() == [[1, 2], [2, 3]]
    with pytest.raises(FigureUnavailable, match="no losses of trial 0002"):
        losses(source, next(row for row in source.rows if row.name == "0002"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ablatoin"], "studies there: ablation, dropout128, stage2"),
        (["ablation", "-n", "1"], "-n 1: expected 2 or more"),
        (["ablation", "--stage2", "nowhere"], "no such study or file"),
        (["ablation", "--stage2", "dropout128"], "a study of dcgan, which enlarges nothing"),
    ],
)
def test_bad_input_is_one_message_and_makes_nothing(results, tmp_path, capfd, arguments, message):
    out = tmp_path / "figures"
    assert main([*arguments, "--results", str(results), "--out", str(out)]) == 2
    errors = capfd.readouterr().err
    assert message in errors and "Traceback" not in errors
    assert not out.exists()


def test_a_study_without_trials_has_no_figure_yet(tmp_path, capfd):
    folder = tmp_path / "ablation"
    folder.mkdir()
    (folder / "study.yaml").write_text(ABLATION)
    assert main([str(folder), "--out", str(tmp_path / "figures")]) == 1
    assert "no figure can be made yet" in capfd.readouterr().out
