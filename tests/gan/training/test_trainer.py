"""The loop: textbook numerics, determinism, schedules, divergence and collapse."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from common.errors import FieldError
from gan.config import DropoutConfig, ModelConfig, TrainConfig
from gan.models import build
from gan.training import checkpoint
from gan.training import trainer as trainer_module
from gan.training.divergence import WARM_UP_STEPS
from gan.training.hardware import computes_bfloat16
from gan.training.random_streams import stream_seed
from gan.training.trainer import Trainer
from tests.gan.places import ROOT

SMALL = ModelConfig(image_size=16, width=4, latent_dim=8)


def trainer(images, model=SMALL, **train) -> Trainer:
    return Trainer(
        model, TrainConfig(**({"batch_size": 16, "precision": "float32"} | train)), images, device="cpu", threads=1
    )


def textbook_losses(images: np.ndarray, steps: int, model: ModelConfig) -> list[tuple[float, float]]:
    """Losses of a plain float32 DCGAN loop on the very batches and noise that the trainer would draw."""
    source = trainer(images, model)
    generator, discriminator = build(model, rng=torch.Generator().manual_seed(stream_seed(0, "init")))
    optimizers = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (generator, discriminator)]
    losses = []
    for batch in source.batches.epoch():
        real = batch[16].permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
        noise = torch.randn(16, model.latent_dim, generator=source.streams["noise"])[:, :, None, None]
        discriminator.zero_grad()
        loss_real = F.binary_cross_entropy(torch.sigmoid(discriminator(real)), torch.ones(16))
        loss_real.backward()
        fake = generator(noise)
        loss_fake = F.binary_cross_entropy(torch.sigmoid(discriminator(fake.detach())), torch.zeros(16))
        loss_fake.backward()
        optimizers[1].step()
        generator.zero_grad()
        loss_generator = F.binary_cross_entropy(torch.sigmoid(discriminator(fake)), torch.ones(16))
        loss_generator.backward()
        optimizers[0].step()
        losses.append(((loss_real + loss_fake).item(), loss_generator.item()))
        if len(losses) == steps:
            break
    return losses


def our_losses(images: np.ndarray, steps: int, model: ModelConfig, precision: str) -> list[tuple[float, float]]:
    own = trainer(images, model, precision=precision)
    taken = []
    for batch in own.batches.epoch():
        taken.append(tuple(own._step(batch)[:2].tolist()))
        if len(taken) == steps:
            break
    return taken


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [
        ("float32", 2e-4),
        pytest.param(
            "bfloat16",
            0.03,
            marks=pytest.mark.skipif(not computes_bfloat16(torch.device("cpu")), reason="this CPU has no bfloat16"),
        ),
    ],
)
def test_losses_follow_the_textbook_loop(blobs, precision, tolerance):
    """Channels last, fused Adam, reused batches and frozen weights change nothing; bfloat16 changes roundings."""
    expected = textbook_losses(blobs, 6, SMALL)
    assert our_losses(blobs, 6, SMALL, precision) == [pytest.approx(pair, abs=tolerance) for pair in expected]


def test_same_seed_same_numbers_other_seed_other_numbers(blobs):
    first, second, other = (trainer(blobs, seed=seed) for seed in (1, 1, 2))
    a, b, c = (t.train_epoch().loss_generator for t in (first, second, other))
    assert a == b != c


CONTINUE = """
import sys, numpy as np
from gan.training import checkpoint
images = np.load(sys.argv[1])
trainer = checkpoint.resume(sys.argv[2], images, device="cpu", threads=1)
for _ in range(2):
    trainer.train_epoch()
checkpoint.save(trainer, sys.argv[3])
"""


def test_four_epochs_are_two_a_new_process_and_two_more(blobs, tmp_path):
    settings = {
        "precision": "auto",
        "ema_decay": 0.95,
        "label_smoothing": 0.3,
        "lr_half_life": 3,
        "dropout": DropoutConfig(placement="both", p=0.4, onset_epoch=1, anneal_epochs=2),
    }
    np.save(tmp_path / "images.npy", blobs)
    straight = trainer(blobs, **settings)
    for _ in range(4):
        straight.train_epoch()
    halfway = trainer(blobs, **settings)
    for _ in range(2):
        halfway.train_epoch()
    checkpoint.save(halfway, tmp_path / "two.pt")
    subprocess.run(
        [sys.executable, "-c", CONTINUE, tmp_path / "images.npy", tmp_path / "two.pt", tmp_path / "four.pt"],
        check=True,
        cwd=ROOT,
        timeout=400,
    )
    resumed = checkpoint.read(tmp_path / "four.pt")
    assert resumed["epoch"] == 4
    assert checkpoint.checksum(resumed) == checkpoint.checksum(straight.state_dict())


def test_the_average_follows_the_generator(blobs):
    own = trainer(blobs, ema_decay=0.5)
    own.train_epoch()
    assert own.generator_for_sampling() is own.average
    for mean, now in zip(own.average.parameters(), own.generator.parameters(), strict=True):
        assert not torch.equal(mean, now)
        torch.testing.assert_close(mean, now, atol=2e-3, rtol=0)
    assert not any(parameter.requires_grad for parameter in own.average.parameters())


def test_schedules_reach_the_networks_and_optimisers(blobs):
    own = trainer(
        blobs,
        lr=1e-3,
        discriminator_lr=4e-3,
        lr_half_life=1,
        dropout=DropoutConfig(placement="discriminator_last", p=0.5, onset_epoch=1),
    )
    results = [own.train_epoch() for _ in range(2)]
    assert [r.dropout_p for r in results] == [0.0, 0.5]
    assert [r.learning_rate for r in results] == pytest.approx([1e-3, 5e-4])
    assert own.optimizer_discriminator.param_groups[0]["lr"] == pytest.approx(2e-3)
    assert [slot.p for slot in own.discriminator.dropout_slots()][-1] == 0.5
    assert not any(slot.p for slot in own.generator.dropout_slots())


def test_a_result_counts_what_was_done(blobs):
    result = trainer(blobs[:90]).train_epoch()
    assert (result.epoch, result.steps, result.precision, result.diverged) == (1, 5, "float32", None)
    assert 0 < result.score_fake < 1 and 0 < result.score_real < 1
    assert result.seconds > 0 and result.images_per_second > 0


def test_divergence_is_told_and_not_raised(blobs):
    own = trainer(blobs, batch_size=96, lr=1e30)
    reasons = [own.train_epoch().diverged for _ in range(3)]
    assert any(reason and "not finite" in reason for reason in reasons)


def test_divergence_ends_the_epoch_early(blobs, monkeypatch):
    monkeypatch.setattr(trainer_module, "CHECK_EVERY", 2)
    own = trainer(blobs)
    with torch.no_grad():
        own.discriminator.main[0].weight.fill_(float("nan"))
    result = own.train_epoch()
    assert result.steps == 2
    assert "not finite" in result.diverged


def test_a_collapse_is_told_when_it_lasts(blobs):
    own = trainer(blobs, batch_size=2)
    for _ in range(5):
        healthy = own.train_epoch()
    assert healthy.diverged is None and healthy.spread > 0.1
    with torch.no_grad():
        own.generator.main[0].weight.zero_()  # the noise no longer matters
        own.optimizer_generator.param_groups[0]["lr"] = 0.0
    own._lrs = (0.0, own._lrs[1])
    own._steps_done = WARM_UP_STEPS
    told = [own.train_epoch().diverged for _ in range(3)]
    assert told[:2] == [None, None]
    assert "all alike" in told[2] or "flat" in told[2]


def test_images_that_do_not_fit_the_model_are_refused(blobs):
    with pytest.raises(ValueError, match="sides 16 px: family 'dcgan' needs 32 px"):
        trainer(blobs, ModelConfig(image_size=32, width=1))
    with pytest.raises(ValueError, match="3 channels, the model has 1"):
        trainer(blobs, ModelConfig(image_size=16, width=1, channels=1))
    with pytest.raises(FieldError, match="at most the number of training images, 96"):
        trainer(blobs, batch_size=97)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu_keeps_the_images_there(blobs, tmp_path):
    own = Trainer(SMALL, TrainConfig(batch_size=16, ema_decay=0.9), blobs, device="cuda")
    assert own.batches.resident
    own.train_epoch()
    checkpoint.save(own, tmp_path / "c.pt")
    other = checkpoint.resume(tmp_path / "c.pt", blobs, device="cuda")
    assert other.train_epoch().loss_generator == pytest.approx(own.train_epoch().loss_generator, rel=1e-2)
