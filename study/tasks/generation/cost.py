"""What training and measuring cost here, from short runs of the very code."""

from __future__ import annotations

import dataclasses
import math
import time

import numpy as np

from gan.config import ModelConfig
from study.cluster.placement import Placement
from study.config.families import GalaxyStudy
from study.tasks.generation.sampling import sizes
from study.tasks.task import Cost, TaskCost

CALIBRATION_S = 2.0
CALIBRATION_WIDTH, CALIBRATION_BATCH = 32, 16


class GalaxyCost(TaskCost[GalaxyStudy]):
    """What a study of GANs that draw galaxies costs."""

    def calibrate(self, placement: Placement) -> Cost:
        """See `TaskCost`: train on noise, and measure a few galaxies.

        Wide networks would take longer than a plan may; they are calibrated at a smaller width and scaled by their
        arithmetic, which is good to a factor of two.
        """
        study = self.study
        import torch

        from eval.measure import measure
        from gan.datasets.synthetic import draw
        from gan.training.trainer import Trainer

        device = "cuda" if study.resources.gpus_per_worker and torch.cuda.is_available() else "cpu"
        galaxies, _ = draw(16, size=64, seed=0)
        measure(galaxies[:2], jobs=1, engine=study.objective.engine)
        started = time.perf_counter()
        measure(galaxies, jobs=placement.threads, engine=study.objective.engine)
        measured = len(galaxies) / (time.perf_counter() - started)
        size = study.data.image_size
        model, batch = study.model, study.train.batch_size
        if device == "cpu":
            widest = CALIBRATION_WIDTH * 64 // size
            model = dataclasses.replace(
                model,
                width=min(model.width, widest),
                discriminator_width=min(model.effective_discriminator_width, widest),
            )
            batch = min(batch, CALIBRATION_BATCH)
        rng = np.random.default_rng(0)
        shapes = {side: (batch * 2, side, side, model.channels) for side in sizes(model)}
        images = {side: rng.integers(0, 255, shape, dtype=np.uint8) for side, shape in shapes.items()}
        train = dataclasses.replace(study.train, batch_size=batch, epochs=1000)
        trainer = Trainer(model, train, images, device=device, threads=placement.threads)
        rate, started = 0.0, time.perf_counter()
        while not rate or time.perf_counter() - started < CALIBRATION_S:
            rate = max(rate, trainer.train_epoch().images_per_second)
        return Cost(rate * training_flops(model) / training_flops(study.model), measured, device)

    def planned(self) -> dict[str, str]:
        """See `TaskCost`."""
        study = self.study
        from eval.distances import KS_95_NULL, KS_MEAN_NULL

        model, train, objective = study.model, study.train, study.objective
        mean, worst = (null * math.sqrt(2 / objective.samples) for null in (KS_MEAN_NULL, KS_95_NULL))
        return {
            "model": f"{model.family}, {model.image_size} px, width {model.width}, discriminator width "
            f"{model.effective_discriminator_width}",
            "training": f"{train.epochs} epochs, batch {train.batch_size}, lr {train.lr:g}",
            "objective": f"{', '.join(objective.metrics)} of {objective.samples:,} galaxies every "
            f"{objective.every_epochs} epochs; noise floor {mean:.3f} (95%: {worst:.3f})",
        }


def training_flops(model: ModelConfig) -> float:
    """Floating-point operations of one training step per image.

    The discriminator goes forward and back on a real and on a generated image, then forward and back to its input
    for the generator, which goes forward and back once.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from gan.models import FAMILIES, build

    family = FAMILIES[model.family]
    with torch.device("meta"), torch.no_grad():
        generator, discriminator = build(model)
        generator.to("meta"), discriminator.to("meta")
        if family.input_size is None:
            inputs = torch.empty(1, model.latent_dim, device="meta")
        else:
            side = family.input_size(model)
            inputs = torch.empty(1, model.channels, side, side, device="meta")
        with FlopCounterMode(display=False) as counter:
            images = generator.eval()(inputs)
        forward_generator = counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            discriminator.eval()(images)
        forward_discriminator = counter.get_total_flops()
    return float(3 * forward_generator + 8 * forward_discriminator)
