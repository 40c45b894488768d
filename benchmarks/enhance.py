"""Enhancing and training speed of a U-Net GAN: images per second, and the training against a plain loop, in one run.

The plain loop trains the same networks as tutorials do: float32, default memory format, PNG pairs through a `Dataset`
and a `DataLoader`, flips of tensors, plain Adam. Both loops take steps of the generator and of the critic by turns, and
both run them on the same number of threads. They are interleaved; the figures are medians over rounds, so that a
neighbour on the machine slows all of them.

    python benchmarks/enhance.py [--size 224] [--width 16] [--batch-size 8] [--rounds 5] [--threads N]

On a machine that others keep busy, `--clock cpu --threads 1 --loader-workers 0` counts the processor's time of this
process instead of wall time: what others take of it is then left out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from gan.datasets.synthetic import draw
from gan.enhance.apply.enhancer import enhance
from gan.enhance.config import (
    AdversarialPhase,
    CriticConfig,
    CriticPhase,
    EnhanceTrainConfig,
    GeneratorPhase,
    SwitcherConfig,
    UNetConfig,
)
from gan.enhance.models.critic import critic as build_critic
from gan.enhance.models.unet import unet
from gan.enhance.training.trainer import EnhanceTrainer

Step = Callable[[], None]


class PairFiles(torch.utils.data.Dataset):
    """Pairs of PNG files, opened when they are asked for and flipped alike."""

    def __init__(self, folder: Path, inputs: np.ndarray, targets: np.ndarray):
        self.folder, self.count = folder, len(inputs)
        for side, images in (("input", inputs), ("target", targets)):
            for i, image in enumerate(images):
                Image.fromarray(image).save(folder / f"{side}-{i}.png")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        from torchvision.transforms.functional import hflip, to_tensor, vflip

        pair = [to_tensor(Image.open(self.folder / f"{side}-{i}.png")) for side in ("input", "target")]
        for mirror in (hflip, vflip):
            if random.random() < 0.5:
                pair = [mirror(image) for image in pair]
        return pair[0], pair[1] * 2 - 1


def plain_step(model: UNetConfig, critic: CriticConfig, batches: Iterator[tuple[Tensor, Tensor]]) -> Step:
    """One step of the generator or the critic, by turns, as tutorials write it."""
    generator, judge = unet(model), build_critic(critic, model)
    optimizers = [torch.optim.Adam(n.parameters(), lr=1e-4, betas=(0.5, 0.99)) for n in (generator, judge)]
    turns = itertools.cycle((True, False))
    bce = nn.BCEWithLogitsLoss()

    def step() -> None:
        source, target = next(batches)
        ones, zeros = torch.ones(len(source)), torch.zeros(len(source))
        if next(turns):
            optimizers[1].zero_grad()
            with torch.no_grad():
                made = generator(source)
            (bce(judge(target), ones) + bce(judge(made), zeros)).backward()
            optimizers[1].step()
            return
        optimizers[0].zero_grad()
        made = generator(source)
        loss = (made - target).abs().mean() / 2 + 0.01 * bce(judge(made), ones)
        loss.backward()
        optimizers[0].step()

    return step


def product_step(trainer: EnhanceTrainer) -> Step:
    """The product's own step, in the adversarial phase."""
    trainer._set_rates()
    trainer.generator.train()
    batches = (batch for _ in itertools.count() for batch in trainer.batches.epoch())
    return lambda: (trainer._steps(iter([next(batches)])), None)[1]


def seconds_of(step: Step, times: int, clock: Callable[[], float]) -> float:
    """Of one call, the mean over `times`."""
    started = clock()
    for _ in range(times):
        step()
    return (clock() - started) / times


def main() -> None:
    """Time both loops and the enhancement, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps of each loop per round; even: both networks alike")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--loader-workers", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = UNetConfig(image_size=args.size, width=args.width, depth=args.depth)
    critic = CriticConfig(width=args.width)
    targets, _ = draw(4 * args.batch_size, size=args.size, seed=0)
    inputs = targets[::-1].copy()
    train = EnhanceTrainConfig(
        batch_size=args.batch_size,
        generator=GeneratorPhase(epochs=0),
        critic=CriticPhase(epochs=0),
        adversarial=AdversarialPhase(epochs=1, switcher=SwitcherConfig(kind="fixed")),
    )
    trainer = EnhanceTrainer(model, critic, train, inputs, targets, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        loader = torch.utils.data.DataLoader(
            PairFiles(Path(folder), inputs, targets),
            batch_size=args.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=args.loader_workers,
            persistent_workers=args.loader_workers > 0,
        )
        files = ((source, target) for _ in itertools.count() for source, target in loader)
        variants = {"plain loop": plain_step(model, critic, files), "gan.enhance": product_step(trainer)}
        generator = unet(model).eval()
        apply: Step = lambda: (enhance(generator, inputs[: args.batch_size], tile=args.size), None)[1]  # noqa: E731
        clock = time.process_time if args.clock == "cpu" else time.perf_counter
        times: dict[str, list[float]] = {name: [] for name in [*variants, "apply"]}
        for _ in range(args.rounds + 1):
            for name, step in variants.items():
                times[name].append(seconds_of(step, args.steps, clock))
            times["apply"].append(seconds_of(apply, 1, clock))
    report(args, str(trainer.dtype).removeprefix("torch."), {name: t[1:] for name, t in times.items()})


def report(args: argparse.Namespace, precision: str, times: dict[str, list[float]]) -> None:
    """Print the figures; the first round, which warms up, is left out."""
    print(
        f"U-Net {args.size} px, width {args.width}, depth {args.depth}, batch {args.batch_size}, {args.threads} "
        f"threads, torch {torch.__version__}, training in {precision}; medians of {args.rounds} interleaved rounds, "
        f"{args.clock} time"
    )
    print(f"{'training':14} {'ms/step':>8} {'images/s':>9} {'ratio':>6}   quartiles of the ratio")
    base = times["plain loop"]
    for name in ("plain loop", "gan.enhance"):
        ratios = [one / other for one, other in zip(base, times[name], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        middle = statistics.median(ratios)
        seconds = statistics.median(times[name])
        rate = args.batch_size / seconds
        print(f"{name:14} {1000 * seconds:8.0f} {rate:9.2f} {middle:6.2f}   {low:.2f} - {high:.2f}")
    seconds = statistics.median(times["apply"])
    print(f"enhanced: {args.batch_size / seconds:.2f} images of {args.size} px per second, float32")


if __name__ == "__main__":
    main()
