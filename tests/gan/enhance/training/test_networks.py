"""One step of the generator: the terms of its loss."""

from __future__ import annotations

import dataclasses

import torch

from tests.gan.enhance.small_trainings import MODEL, train_config, trainer


def test_terms_without_weight_are_not_computed(pairs):
    found = trainer(pairs, train_config(1, 0, 0)).train_epoch().extra
    assert not {"loss/perceptual", "loss/stability", "loss/adversarial"} & set(found)


def test_the_stability_term_makes_outputs_steadier(pairs):
    def wobble(weight: float) -> float:
        loss = {"stability_weight": weight, "stability_noise": 0.05}
        made = trainer(pairs, train_config(10, 0, 0, loss=loss), model=dataclasses.replace(MODEL, norm="none"))
        for _ in range(10):
            made.train_epoch()
        generator = made.generator_for_sampling()
        inputs = torch.from_numpy(pairs[0]).permute(0, 3, 1, 2).float() / 255
        noise = 0.05 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            return float((generator((inputs + noise).clamp(0, 1)) - generator(inputs)).abs().mean())

    assert wobble(5.0) < 0.9 * wobble(0.0)
