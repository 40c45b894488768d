"""Damaged, forged and hostile checkpoints: networks or one clear sentence, whatever the bytes; no code is ever run."""

import contextlib
import copy
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from gan.config import ModelConfig, TrainConfig
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, UNetConfig
from gan.enhance.training.checkpoint import load_enhancer
from gan.enhance.training.trainer import EnhanceTrainer
from gan.models import build
from gan.training import checkpoint
from gan.training.checkpoint import CheckpointError
from gan.training.trainer import Trainer

MODEL = ModelConfig(image_size=16, width=2, latent_dim=4)
STAGE2 = ModelConfig(family="stackgan", image_size=32, width=2)
IMAGES = {side: np.random.default_rng(0).integers(0, 256, (8, side, side, 3), np.uint8) for side in (16, 32)}
STRANGE = (
    None, True, -1, 0, 512, 65_536, 10**6, 2**40, 2**70, 1.5, float("nan"), "", "x" * 300, b"bytes", [], {}, {"a": 1},
    [1, [2, [3]]], (1, 2), "dcgan", "stackgan", torch.zeros(0), torch.zeros(3), torch.tensor(7), torch.ones(1, 2, 4, 4),
    torch.full((2, 2), float("nan")), torch.zeros(4, 4, dtype=torch.complex64), torch.zeros(9, dtype=torch.bool),
    torch.eye(3).to_sparse(),
)  # fmt: skip


def packed(content, **options):
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def trained(model=MODEL, **train):
    trainer = Trainer(model, TrainConfig(batch_size=4, **train), IMAGES, device="cpu", threads=1)
    trainer.train_epoch()
    return trainer


@pytest.fixture(scope="module")
def trainers():
    enhancer = EnhanceTrainer(
        UNetConfig(image_size=16, depth=1, width=2), CriticConfig(width=2), EnhanceTrainConfig(batch_size=4),
        IMAGES[16], IMAGES[16], device="cpu", threads=1,
    )  # fmt: skip
    return {
        "dcgan": trained(),
        "average": trained(ema_decay=0.9),
        "stackgan": trained(STAGE2),
        "enhancer": enhancer,
    }


@pytest.fixture(scope="module")
def contents(trainers):
    """What is in each kind of file: checkpoints of ours, and bare weights in the layouts of the authors' files."""
    ours = {}
    for name, trainer in trainers.items():
        state = trainer.state_dict()
        ours[name] = {"format": checkpoint.FORMAT, "sha256": checkpoint.checksum(state), "state": state}
    bare = {
        "dcgan_G.pth": dict(build(ModelConfig(width=2))[0].state_dict()),
        "stackgan_G.pth": dict(build(ModelConfig(family="stackgan", image_size=128, width=2))[0].state_dict()),
    }
    return ours | bare


@pytest.fixture(scope="module")
def files(contents):
    """The bytes of each, in the present format and in the one before PyTorch 1.6."""
    new = {name: packed(content) for name, content in contents.items()}
    old = {f"old {name}": packed(c, _use_new_zipfile_serialization=False) for name, c in contents.items()}
    return new | old


def outcome(path, trainers, rng):
    """How many of the ways to open a file took it; any error but `CheckpointError` is one of ours."""
    trainer = copy.copy(trainers[rng.choice(list(trainers))])
    ways = [
        checkpoint.read,
        checkpoint.load_generator,
        checkpoint.load_enlarger,
        load_enhancer,
        lambda path: checkpoint.load(trainer, path),
        lambda path: checkpoint.resume(path, IMAGES, device="cpu", threads=1),
    ]
    taken = 0
    for way in ways:
        try:
            way(path)
            taken += 1
        except CheckpointError as error:
            assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 3_000, str(error)
    return taken


def forged(content, rng):
    """The content with values exchanged, renamed, removed or added, and a checksum that agrees."""
    content = copy.deepcopy(content)
    for _ in range(rng.integers(1, 4)):
        homes = [content]
        for home in homes:
            homes += [value for value in home.values() if isinstance(value, dict)]
        home = homes[rng.integers(len(homes))]
        keys = list(home)
        if not keys:
            continue
        key = keys[rng.integers(len(keys))]
        strange = STRANGE[rng.integers(len(STRANGE))]
        match rng.integers(5):
            case 0 | 1:
                home[key] = strange
            case 2:
                del home[key]
            case 3:
                home[[f"{key}x", 7, None, "main.0.weight"][rng.integers(4)]] = home.pop(key)
            case 4 if isinstance(home[key], torch.Tensor) and home[key].ndim and not home[key].is_sparse:
                home[key] = home[key][..., :1] if rng.random() < 0.5 else home[key].double()[None]
    if isinstance(content.get("state"), dict):
        with contextlib.suppress(RuntimeError):  # a tensor without a checksum
            content["sha256"] = checkpoint.checksum(content["state"])
    return content


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def hostile(content, data, canary, rng):
    """Files that would make the folder `canary` if anything in them were run."""
    evil = Hostile(canary)
    kind = rng.integers(4)
    if kind == 0:
        return pickle.dumps(evil, protocol=int(rng.integers(0, 5)))
    if kind == 1:
        nested = copy.deepcopy(content)
        nested[list(nested)[rng.integers(len(nested))]] = evil
        return packed(nested, _use_new_zipfile_serialization=bool(rng.integers(2)))
    payload = f"cos\nmkdir\n(V{canary}\ntR".encode()
    if kind == 2:
        place = int(rng.integers(len(data)))
        return data[:place] + payload + b"0" + data[place:]
    return repacked(data, lambda program: program[:2] + payload + b"0" + program[2:])


def repacked(data, change):
    """A zip of PyTorch whose `data.pkl` went through `change`."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as changed:
        for item in archive.infolist():
            content = archive.read(item)
            changed.writestr(item.filename, change(content) if item.filename.endswith("data.pkl") else content)
    return out.getvalue()


def a_mutation(contents, files, mutate, canary, rng):
    """Bytes of a file that something happened to."""
    name = list(contents)[rng.integers(len(contents))]
    old = bool(rng.integers(2))
    data = files[f"old {name}" if old else name]
    kind = rng.random()
    if kind < 0.45:
        return mutate(data, rng)
    if kind < 0.55:
        return repacked(files[name], lambda program: mutate(program, rng))
    if kind < 0.65:
        return data[: rng.integers(len(data))] if rng.random() < 0.5 else data + rng.bytes(rng.integers(1, 4000))
    if kind < 0.85:
        return packed(forged(contents[name], rng), _use_new_zipfile_serialization=not old)
    return hostile(contents[name], files[name], canary, rng)


def fuzz(count, seed, folder, trainers, contents, files, mutate, alarm):
    rng = np.random.default_rng(seed)
    path, canary = folder / "c.pt", folder / "canary"
    for data in files.values():
        path.write_bytes(data)
        assert outcome(path, trainers, rng) >= 1
    taken = 0
    for number in range(count):
        path.write_bytes(a_mutation(contents, files, mutate, canary, rng))
        alarm()
        try:
            taken += outcome(path, trainers, rng) > 0
        except BaseException as error:
            error.add_note(f"seed {seed}, number {number}")
            raise
        assert not canary.exists(), "code of the file was run"
    return taken


@pytest.mark.filterwarnings("ignore")
def test_some_mutations(tmp_path, trainers, contents, files, mutate, alarm):
    taken = fuzz(120, 0, tmp_path, trainers, contents, files, mutate, alarm)
    assert taken < 60


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_five_thousand_mutations(tmp_path, trainers, contents, files, mutate, alarm):
    taken = fuzz(5_000, 1, tmp_path, trainers, contents, files, mutate, alarm)
    print(f"{taken} of 5,000 could be opened in some way")
    assert 50 < taken < 2_500


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mutations_through_the_command(tmp_path, trainers, contents, files, mutate, alarm, capsys):
    from study.generate import main

    rng = np.random.default_rng(2)
    path, canary = tmp_path / "c.pt", tmp_path / "canary"
    codes = {0: 0, 2: 0}
    for number in range(500):
        path.write_bytes(a_mutation(contents, files, mutate, canary, rng))
        alarm()
        code = main(["--model", str(path), "-n", "1", "--out", str(tmp_path / f"{number}"), "--no-catalogue"])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err and not canary.exists()
        assert code == 0 or (code == 2 and printed.err.startswith("error: ") and str(path) in printed.err), printed.err
        codes[code] += 1
    assert min(codes.values()) > 20, codes
