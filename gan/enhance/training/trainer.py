"""Training an enhancer: the generator alone, the critic alone, then both by turns.

Plain PyTorch, as `gan.training.trainer`: it runs in a Ray Train worker, under torchrun, or in a notebook.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.errors import FieldError
from gan.config import as_dict
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, UNetConfig
from gan.enhance.models.unet import UNet
from gan.enhance.training import phases
from gan.enhance.training.networks import Players
from gan.enhance.training.outputs import saved_outputs
from gan.enhance.training.results import EnhanceResult, Means, extra, losses_problem
from gan.enhance.training.switcher import Turn, next_turn
from gan.training import divergence
from gan.training.batches import Batches, to_signed, to_unit
from gan.training.distributed import ALONE, World
from gan.training.hardware import resolve_device, resolve_precision
from gan.training.random_streams import Streams

__all__ = ["EnhanceResult", "EnhanceTrainer", "World"]

CHECK_EVERY = 100  # steps between looks at the losses: a look waits for the accelerator
LOOK_IMAGES = 16


class EnhanceTrainer:
    """A U-Net, its critic, their optimisers and every random stream of one training.

    The same configs, pairs, seed and number of threads give the same numbers on a CPU, bit for bit, and an interrupted
    training that is continued from `state_dict`, in whatever phase, gives what it would have given.

    Parameters
    ----------
    model, critic, train : UNetConfig, CriticConfig, EnhanceTrainConfig
        What to train, against what, and how.
    inputs, targets : ndarray, (n, S, S, C) and (n, k S, k S, C) uint8
        Pairs of images of the same sky; memory maps stay where they are.
    device, world, threads
        As `gan.training.trainer.Trainer`.

    Raises
    ------
    FieldError
        The batch size does not fit the pairs or the workers, there is no such device, or no such features network.
    ValueError
        The images do not have the model's sides and channels, or do not pair.

    Notes
    -----
    Both images of a pair are turned and mirrored alike. With several workers gradients are averaged, as in
    `gan.training.trainer.Trainer`, and the switcher sees the mean loss, so that all take the same turn.
    """

    def __init__(
        self,
        model: UNetConfig,
        critic: CriticConfig,
        train: EnhanceTrainConfig,
        inputs: np.ndarray,
        targets: np.ndarray,
        *,
        device: torch.device | str | None = None,
        world: World | None = None,
        threads: int | None = None,
    ):
        if threads is not None:
            torch.set_num_threads(threads)
        self.model, self.critic_config, self.train_config = model, critic, train
        self.device, self.world, self.workers = resolve_device(device), world, world or ALONE
        check_pairs(model, inputs, targets)
        self.dtype = resolve_precision(train.precision, self.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every step has the same shapes
        self.progress, self.turn = phases.begin(train), Turn()
        self.streams = Streams(train.seed, self.device)
        self._arrays = {"input": inputs, "target": targets}
        self.batches = self._batches(self._arrays)
        self._saved: Batches[str] | None = None
        self.players = Players(
            model,
            critic,
            train,
            streams=self.streams,
            device=self.device,
            dtype=self.dtype,
            workers=self.workers,
        )
        self.generator, self.critic, self.average = self.players.generator, self.players.critic, self.players.average
        self.health = divergence.Health(targets)

    def _batches(self, arrays: dict[str, np.ndarray]) -> Batches[str]:
        return Batches(
            arrays,
            self.train_config.batch_size,
            device=self.device,
            flips=self.train_config.symmetries,
            turns=self.train_config.symmetries,
            order=self.streams["batches"],
            flip_stream=self.streams["flips"],
            rank=self.workers.rank,
            size=self.workers.size,
        )

    @property
    def epoch(self) -> int:
        """Completed epochs of all phases."""
        return self.progress.completed

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole training; smaller once a phase has ended early."""
        return phases.total_epochs(self.train_config, self.progress)

    @property
    def phase(self) -> str:
        """What the next epoch trains: "generator", "critic" or "adversarial"; "done" after the last."""
        return self.progress.phase

    def train_epoch(self) -> EnhanceResult:
        """Train on every pair once, in the phase that it is the turn of, and look whether the result is worth going on.

        Raises
        ------
        RuntimeError
            The training is over.
        """
        if self.phase == "done":
            raise RuntimeError(f"the training is over: {self.epoch} epochs are done")
        started = time.perf_counter()
        phase, learning_rate = self.phase, self._set_rates()
        self.generator.train(phase != "critic")
        self.critic.train()
        batches = self._critic_batches() if phase == "critic" else self.batches
        loop_started = time.perf_counter()
        generator, critic, problem = self._steps(batches.epoch())
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        trained = time.perf_counter() - loop_started
        self.players.average_buffers()
        of_generator, of_critic = generator.over(self.workers), critic.over(self.workers)
        self._advance(of_generator, of_critic)
        problem = problem or losses_problem(of_generator, of_critic)
        spread, unhealthy = (float("nan"), problem) if problem else self._look(phase)
        steps = generator.steps + critic.steps
        return EnhanceResult(
            epoch=self.epoch,
            phase=phase,
            loss_generator=of_generator.get("loss"),
            loss_discriminator=of_critic.get("loss"),
            images_per_second=steps * self.train_config.batch_size / trained,
            seconds=time.perf_counter() - started,
            steps=steps,
            learning_rate=learning_rate,
            precision=str(self.dtype).removeprefix("torch."),
            diverged=problem or unhealthy,
            extra=extra(of_generator, of_critic)
            | {"steps/generator": float(generator.steps), "steps/critic": float(critic.steps)}
            | ({} if np.isnan(spread) else {"spread": spread}),
        )

    def _set_rates(self) -> float:
        return self.players.set_rates(self.phase)

    def _critic_batches(self) -> Batches[str]:
        """Outputs of the generator, made once and kept for the phase, with their targets (and inputs if asked for)."""
        if self._saved is None:
            block = max(1, self.train_config.batch_size // self.workers.size)
            made = saved_outputs(self.generator_for_sampling(), self._arrays["input"], block, self.device, self.dtype)
            kept = self._arrays if self.critic_config.conditional else {"target": self._arrays["target"]}
            self._saved = self._batches({**kept, "output": made})
        return self._saved

    def _steps(self, batches: Iterator[dict[str, Tensor]]) -> tuple[Means, Means, str | None]:
        generator, critic = Means(), Means()
        for done, batch in enumerate(batches, start=1):
            target = to_signed(batch["target"])
            source = to_unit(batch["input"]) if "input" in batch else None
            made = to_signed(batch["output"]) if "output" in batch else None
            if source is not None and made is None and (self.phase == "generator" or self.turn.side == "generator"):
                terms = self.players.generator_step(source, target, adversarial=self.phase == "adversarial")
                generator.add(terms)
            else:
                terms = self.players.critic_step(made, target, source)
                critic.add(terms)
            if self.phase == "adversarial":
                self._take_turns(terms)
            if done % CHECK_EVERY == 0:
                problem = losses_problem(generator.over(self.workers), critic.over(self.workers))
                if problem:
                    return generator, critic, problem
        return generator, critic, None

    def _take_turns(self, terms: dict[str, Tensor]) -> None:
        switcher, seen = self.train_config.adversarial.switcher, None
        if switcher.kind == "adaptive":
            loss = terms.get("adversarial", terms["loss"])
            seen = float(self.workers.mean(loss.view(1)))
        self.turn = next_turn(switcher, self.turn, seen)

    def _advance(self, of_generator: dict[str, float], of_critic: dict[str, float]) -> None:
        watched = of_critic.get("loss") if self.phase == "critic" else of_generator.get("reconstruction")
        before, self.progress = self.phase, phases.advance(self.train_config, self.progress, watched)
        if before == "critic" != self.phase:
            self._saved = None

    def _look(self, phase: str) -> tuple[float, str | None]:
        problem = divergence.weights_problem(self.players.networks)
        if problem or phase == "critic":
            return float("nan"), problem
        examples = to_unit(self.batches.first("input", LOOK_IMAGES))
        return self.health.look(self.generator_for_sampling(), examples, steps=self.players.steps)

    def generator_for_sampling(self) -> UNet:
        """The generator to enhance images with, in evaluation mode: the moving average where there is one.

        It is the trainer's own object: further training changes it.
        """
        return (self.generator if self.average is None else self.average).eval()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a new process needs to go on exactly: tensors and plain values only."""
        return {
            "kind": "enhancer",
            "model": as_dict(self.model),
            "critic_model": as_dict(self.critic_config),
            "train": as_dict(self.train_config),
            "progress": dataclasses.asdict(self.progress),
            "turn": dataclasses.asdict(self.turn),
            "images": self.batches.n,
            "precision": str(self.dtype).removeprefix("torch."),
            **self.players.state_dict(),
            "streams": self.streams.state_dict(),
            "health": self.health.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, which a trainer of the same configs made.

        Raises
        ------
        FieldError
            It is not the state of an enhancer; or the networks, the average, the features or the number of pairs are
            others.
        """
        if state.get("kind") != "enhancer":
            raise FieldError("model", as_dict(self.model), "the checkpoint of an enhancer; this one is of a galaxy GAN")
        for name, own in (("model", self.model), ("critic_model", self.critic_config)):
            if state[name] != as_dict(own):
                raise FieldError(name, as_dict(own), f"that of the checkpoint, {state[name]}")
        if state["images"] != self.batches.n:
            raise FieldError("images", self.batches.n, f"the {state['images']} training pairs of the checkpoint")
        self.players.load_state_dict(state)
        self.progress, self.turn, self._saved = phases.Progress(**state["progress"]), Turn(**state["turn"]), None
        self.streams.load_state_dict(state["streams"])
        self.health.load_state_dict(state["health"])


def check_pairs(model: UNetConfig, inputs: np.ndarray, targets: np.ndarray) -> None:
    """Refuse arrays that are not pairs of the sides and channels of `model`; raises `ValueError`."""
    for name, array, side in (("inputs", inputs, model.image_size), ("targets", targets, model.output_size)):
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != (side, side, model.channels):
            raise ValueError(
                f"training {name} have shape {array.shape} {array.dtype}: the model needs "
                f"(n, {side}, {side}, {model.channels}) uint8"
            )
    if len(inputs) != len(targets):
        raise ValueError(f"training pairs: {len(inputs)} inputs, but {len(targets)} targets")
