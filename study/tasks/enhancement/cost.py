"""What a study of enhancers costs: measured by short runs of the very code on this machine."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from eval.metrics import PAIRS
from gan.enhance.config import EnhanceTrainConfig
from study.cluster.placement import Placement
from study.config.families import EnhancerStudy
from study.config.pair_sections import EnhancerConfig
from study.tasks.task import Cost, TaskCost

CALIBRATION_S = 2.0
WIDTH, BATCH, JUDGED = 8, 4, 6


class PairCost(TaskCost[EnhancerStudy]):
    """What a study of enhancers costs."""

    def calibrate(self, placement: Placement) -> Cost:
        """See `TaskCost`: train on noise, and judge a few galaxies.

        On a CPU, wide networks are calibrated at a smaller width and scaled by their arithmetic.
        """
        study = self.study
        import torch

        from eval.statistics.enhancement import judge
        from gan.datasets.synthetic import draw
        from gan.enhance.training.trainer import EnhanceTrainer

        device = "cuda" if study.resources.gpus_per_worker and torch.cuda.is_available() else "cpu"
        model, batch = study.model, study.train.batch_size
        if device == "cpu":
            critic = dataclasses.replace(model.critic, width=min(model.critic.width, WIDTH), max_width=8 * WIDTH)
            model = dataclasses.replace(model, width=min(model.width, WIDTH), max_width=8 * WIDTH, critic=critic)
            batch = min(batch, BATCH)
        deep, _ = draw(JUDGED, size=model.output_size, seed=0)
        shallow = deep[:, :: model.scale, :: model.scale]
        judge(shallow[:2], deep[:2], deep[:2], jobs=1, engine=study.objective.engine)
        started = time.perf_counter()
        judge(shallow, deep, deep, jobs=placement.threads, engine=study.objective.engine)
        judged = JUDGED / (time.perf_counter() - started)

        rng = np.random.default_rng(0)
        sides = (model.image_size, model.output_size)
        inputs, targets = (rng.integers(0, 255, (2 * batch, s, s, model.channels), np.uint8) for s in sides)
        loss = dataclasses.replace(study.train.loss, perceptual_weight=0.0, features=None)
        train = dataclasses.replace(study.train, batch_size=batch, loss=loss)
        train = dataclasses.replace(train, generator=dataclasses.replace(train.generator, epochs=10_000, patience=None))
        networks, threads = (model.unet, model.critic), placement.threads
        trainer = EnhanceTrainer(*networks, train, inputs, targets, device=device, threads=threads)
        rate, started = 0.0, time.perf_counter()
        while not rate or time.perf_counter() - started < CALIBRATION_S:
            rate = max(rate, trainer.train_epoch().images_per_second)
        generator, _ = network_flops(model)
        return Cost(rate * 3 * generator / training_flops(study.model, study.train), judged, device)

    def planned(self) -> dict[str, str]:
        """See `TaskCost`."""
        model, train, objective = self.study.model, self.study.train, self.study.objective
        phases = [
            f"{name} {phase.epochs}" + (f" (until {phase.patience} stale)" if phase.patience else "")
            for name, phase in (
                ("generator", train.generator),
                ("critic", train.critic),
                ("adversarial", train.adversarial),
            )
            if phase.epochs
        ]
        attention = ", attention" if model.attention else ""
        ratio = train.adversarial.critic_lr_ratio
        goals = ", ".join(f"{name} ({PAIRS[name].sense})" for name in objective.metrics)
        return {
            "model": f"{model.family}, {model.image_size} px to {model.output_size} px, depth {model.depth}, width "
            f"{model.width}{attention}; critic: {model.critic.loss}, width {model.critic.width}",
            "training": f"{train.epochs} epochs ({', '.join(phases)}), batch {train.batch_size}, lr "
            f"{train.generator.lr:g}, then {train.adversarial.lr:g} with {ratio:g} times that for the critic",
            "objective": f"{goals} of {objective.samples:,} pairs every {objective.every_epochs} epochs",
        }


def training_flops(model: EnhancerConfig, train: EnhanceTrainConfig) -> float:
    """Floating-point operations per training pair, the mean over all epochs.

    A network goes forward and back in thrice its forward operations; the critic sees two images in a step of its own,
    and one, back to its input, in a step of the generator. In the adversarial phase both have half of the steps.
    """
    generator, critic = network_flops(model)
    alone, judging = 3 * generator, 6 * critic
    both = 0.5 * (3 * generator + 2 * critic) + 0.5 * (generator + 6 * critic)
    epochs = (train.generator.epochs, train.critic.epochs, train.adversarial.epochs)
    return sum(n * cost for n, cost in zip(epochs, (alone, judging, both), strict=True)) / sum(epochs)


def network_flops(model: EnhancerConfig) -> tuple[float, float]:
    """Floating-point operations of one image forward: of the generator, and of the critic."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from gan.enhance.models.critic import critic
    from gan.enhance.models.unet import unet

    side = model.image_size
    generator, judge = unet(model.unet).eval(), critic(model.critic, model.unet).eval()
    generator, judge = generator.to("meta"), judge.to("meta")
    with torch.device("meta"), torch.no_grad():
        inputs = torch.empty(1, model.channels, side, side)
        with FlopCounterMode(display=False) as forward:
            made = generator(inputs)
        with FlopCounterMode(display=False) as judged:
            judge(made, inputs)
    return float(forward.get_total_flops()), float(judged.get_total_flops())
