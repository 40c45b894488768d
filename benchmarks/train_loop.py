"""Images per second of `gan.training.trainer` against a textbook PyTorch DCGAN loop, in one run.

The textbook: float32, default memory format, `ImageFolder` + torchvision transforms + `DataLoader`, plain layers, plain
Adam, BCE on probabilities. Then one thing after the other is added to it, up to the product's own step. All
variants are interleaved; the figures are medians over rounds, so that a neighbour on the machine slows all of them.

    python benchmarks/train_loop.py [--width 32] [--batch-size 64] [--size 64] [--rounds 9] [--threads N]
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gan.config import ModelConfig, TrainConfig
from gan.datasets.synthetic import draw
from gan.models.dcgan import discriminator_channels, generator_channels
from gan.training.batches import Batches, by_side, to_signed
from gan.training.hardware import resolve_precision
from gan.training.trainer import Trainer

Step = Callable[[], None]


def textbook_networks(config: ModelConfig) -> tuple[nn.Module, nn.Module]:
    """The same networks in plain layers."""
    up: list[nn.Module] = []
    before = config.latent_dim
    for i, after in enumerate(generator_channels(config)):
        up += [nn.ConvTranspose2d(before, after, 4, 2 if i else 1, 1 if i else 0, bias=False)]
        last = after == config.channels
        up += [nn.Tanh()] if last else ([nn.BatchNorm2d(after)] if i else []) + [nn.ReLU(True)]
        before = after
    down: list[nn.Module] = []
    before = config.channels
    for i, after in enumerate(discriminator_channels(config)):
        last = after == 1
        padding = 0 if last else 3 if config.image_size == 128 and i == 0 else 1
        down += [nn.Conv2d(before, after, 4, 1 if last else 2, padding, bias=False)]
        down += [nn.Sigmoid()] if last else ([nn.BatchNorm2d(after)] if i else []) + [nn.LeakyReLU(0.2, True)]
        before = after
    networks = nn.Sequential(*up), nn.Sequential(*down)
    for module in itertools.chain(*(network.modules() for network in networks)):
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return networks


def textbook_step(config: ModelConfig, reals: Iterator[Tensor], *, channels_last: bool, bfloat16: bool) -> Step:
    """One step of each network, as tutorials write it."""
    generator, discriminator = textbook_networks(config)
    if channels_last:
        generator, discriminator = (n.to(memory_format=torch.channels_last) for n in (generator, discriminator))
    optimizers = [torch.optim.Adam(n.parameters(), lr=2e-4, betas=(0.5, 0.999)) for n in (generator, discriminator)]
    criterion = nn.BCELoss()

    def judge(images: Tensor, label: float) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            out = discriminator(images).view(-1)
        return criterion(out.float(), torch.full((len(images),), label))

    def step() -> None:
        real = next(reals)
        discriminator.zero_grad()
        judge(real, 1.0).backward()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            fake = generator(torch.randn(len(real), config.latent_dim, 1, 1))
        judge(fake.detach(), 0.0).backward()
        optimizers[1].step()
        generator.zero_grad()
        judge(fake, 1.0).backward()
        optimizers[0].step()

    return step


def from_folder(folder: Path, images: np.ndarray, batch_size: int, workers: int) -> Iterator[Tensor]:
    """Endless batches the textbook's way, from image files."""
    from PIL import Image
    from torchvision import datasets, transforms

    (folder / "galaxies").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / "galaxies" / f"{i}.png")
    transform = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    loader = torch.utils.data.DataLoader(
        datasets.ImageFolder(str(folder), transform),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    while True:
        for batch, _ in loader:
            yield batch


def resident(images: np.ndarray, batch_size: int, *, channels_last: bool) -> Iterator[Tensor]:
    """Endless batches our way."""
    rng = torch.Generator()
    device = torch.device("cpu")
    batches = Batches(by_side(images), batch_size, device=device, flips=True, order=rng, flip_stream=rng)
    while True:
        for batch in batches.epoch():
            real = to_signed(batch[images.shape[1]])
            yield real if channels_last else real.contiguous()


def product_step(trainer: Trainer) -> Step:
    """The product's own step."""
    trainer._apply_schedules()
    batches = (batch for _ in itertools.count() for batch in trainer.batches.epoch())
    return lambda: (trainer._step(next(batches)), None)[1]


def main() -> None:
    """Time every variant and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=8, help="steps of each variant per round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--loader-workers", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = ModelConfig(image_size=args.size, width=args.width)
    images, _ = draw(max(256, 4 * args.batch_size), size=args.size, seed=0)
    trainer = Trainer(model, TrainConfig(batch_size=args.batch_size), images, device="cpu")
    bfloat16 = resolve_precision("auto", torch.device("cpu")) is torch.bfloat16
    b = args.batch_size
    with tempfile.TemporaryDirectory() as folder:
        files = from_folder(Path(folder), images, b, args.loader_workers)
        plain, last = (resident(images, b, channels_last=flag) for flag in (False, True))
        variants: dict[str, Step] = {
            "textbook": textbook_step(model, files, channels_last=False, bfloat16=False),
            "+ resident uint8 images": textbook_step(model, plain, channels_last=False, bfloat16=False),
            "+ channels last": textbook_step(model, last, channels_last=True, bfloat16=False),
        }
        if bfloat16:
            variants["+ bfloat16"] = textbook_step(model, last, channels_last=True, bfloat16=True)
        variants["gan.training.trainer"] = product_step(trainer)
        times: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(args.rounds + 1):
            for name, step in variants.items():
                started = time.perf_counter()
                for _ in range(args.steps):
                    step()
                times[name].append((time.perf_counter() - started) / args.steps)
    print(
        f"DCGAN {args.size} px, width {args.width}, batch {b}, {args.threads} threads, torch {torch.__version__}, "
        f"precision {str(trainer.dtype).removeprefix('torch.')}; medians of {args.rounds} interleaved rounds"
    )
    print(f"{'variant':26} {'ms/step':>8} {'images/s':>9} {'ratio':>6}   quartiles of the ratio")
    base = times["textbook"][1:]
    for name, all_rounds in times.items():
        own = all_rounds[1:]
        ratios = [one / other for one, other in zip(base, own, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        seconds = statistics.median(own)
        print(f"{name:26} {1000 * seconds:8.1f} {b / seconds:9.0f} {middle:6.2f}   {low:.2f} - {high:.2f}")


if __name__ == "__main__":
    main()
