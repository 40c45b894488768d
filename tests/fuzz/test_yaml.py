"""Mutated search-space files through the command itself: a plan with exit code 0, or one message with exit code 2."""

import contextlib
import copy
import io
import random
import re
from pathlib import Path

import pytest
import yaml

from study.config import load_study
from study.run import main
from study.tasks.enhancement import cost as of_pairs
from study.tasks.generation import cost as of_galaxies
from study.tasks.task import Cost

SPACES = sorted((Path(__file__).resolve().parents[2] / "search_spaces").glob("*.yaml"))
PER_SPACE = 5_000
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
NASTY = (
    None, True, False, 0, 1, -1, 2, 3, 7, 1e-300, 1e300, -1e300, 1e18, 2**31, 2**53, 2**63, 2**64, 10**40, -(10**40),
    0.1, 0.5, 1.5, -0.0, float("inf"), float("-inf"), float("nan"), "", " ", "none", "null", "~", "yes", "1e5", "0x10",
    "12:30:45", "2024-01-01", "synthetic", "/nowhere", "a" * 5000, "\u202e\u0000"[0], "é中🚀", "%s{0}$HOME`id`",
    "../..", "train.lr", "model.width", "axes", [], {}, [[]], [None], [1, 2], [2, 1], [0, 0], [1, 2, 3], ["a", 1], [{}],
    {"": 1}, {"int": [0, 1]}, {"float": [0, 1]}, {"choice": []}, {"choice": [1, 1.0, True]}, {"points": [{}]},
    {"int": [1, 10**14], "log": True}, {"float": [1e-9, 1e9], "log": True, "step": 1}, {"when": {}}, {"below": None},
    [float("nan"), 1], [[1, [2, [3, [4]]]]], {"a": {"b": {"c": {"d": 1}}}}, b"\xff\x00", "tpe", "grid", "ablation",
)  # fmt: skip
TOKENS = ("{", "}", "[", "]", ":", ": ", "- ", ",", "&a ", "*a", "<<: *a", "!!python/object:os.system ", "!!binary ",
          "#", "|", ">", "'", '"', "\t", "\n", "\r", "\0", "\ufeff", "---\n", "...\n", "%YAML 9.9\n", "? ", "!!set ",
          "!!int ", "\u2028", "{" * 500, "[" * 3000, "1e999", "1_000", "0o17", "=", "@", "`")  # fmt: skip
OVERRIDES = (
    "train.epochs=3", "train.epochs", "=", "=1", "train=1", "train.lr=[", "axes.train.lr=null", "axes=null", "axes=1",
    "axes.model.width={int: [1, 9]}", "presets.x={train.lr: 1}", "presets=7", "a.b.c.d=1", "study=../x",
    "model.width=1e9", "search.sampler=grid", "search.trials=1e5", "train..lr=1", ".=1", "train.lr.x=1",
    "data.image_size=512", "data=",
    "search.sampler=ablation", "objective.metric=[ks_mean, energy]", "resources.gpus_per_worker=0", "study.x=1",
)  # fmt: skip


def nodes(tree, path=()):
    """Paths of all values of a tree of mappings and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from nodes(value, (*path, key))


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def typo(word, rng):
    place = rng.randrange(len(word)) if word else 0
    return rng.choice([word[:place] + word[place + 1 :], word[:place] + "x" + word[place:], word.upper(), word + " "])


def nudged(value, rng):
    """A value of the same kind: what a user might have written."""
    if isinstance(value, bool) or value is None:
        return rng.choice([True, False, None])
    if isinstance(value, (int, float)) and abs(value) < 1e100:
        return rng.choice(
            [-value, value * 10, value / 7, value + 1, value * 10**6, int(value), float(value), str(value)]
        )
    if isinstance(value, str):
        return typo(value, rng)
    if isinstance(value, list):
        return rng.choice([value[::-1], value * 2, value[1:], [value], [*value, rng.choice(NASTY)]])
    return dict(list(value.items())[1:]) if isinstance(value, dict) else rng.choice(NASTY)


def mutated_tree(tree, rng):
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        paths = list(nodes(tree))
        if not paths:
            break
        *parents, last = rng.choice(paths)
        home = at(tree, parents)
        match rng.randrange(7):
            case 0 | 1:
                home[last] = copy.deepcopy(rng.choice(NASTY))
            case 2 | 3:
                home[last] = nudged(home[last], rng)
            case 4:
                del home[last]
            case 5:
                home[last] = copy.deepcopy(at(tree, rng.choice(paths)))
            case 6 if isinstance(home, dict):
                home[rng.choice([typo(str(last), rng), rng.choice(NASTY[:46])])] = home.pop(last)
    return tree


def mutated_text(text, rng):
    for _ in range(rng.choice([1, 1, 2, 4])):
        lines = text.split("\n")
        row = rng.randrange(len(lines))
        place = rng.randrange(len(text) + 1)
        match rng.randrange(7):
            case 0:
                text = text[:place] + rng.choice(TOKENS) + text[place:]
            case 1:
                text = text[:place] + text[place + rng.randrange(1, 40) :]
            case 2:
                lines[row] = lines[row].lstrip() if rng.random() < 0.5 else "   " + lines[row]
                text = "\n".join(lines)
            case 3:
                lines[row:row] = [lines[rng.randrange(len(lines))]]
                text = "\n".join(lines)
            case 4:
                text = text[:place] + chr(rng.choice([rng.randrange(256), rng.randrange(0x10FFFF)])) + text[place + 1 :]
            case 5:
                numbers = list(re.finditer(r"\d+(?:\.\d+)?", text))
                if numbers:
                    which = rng.choice(numbers)
                    text = text[: which.start()] + str(rng.choice(NASTY)) + text[which.end() :]
            case 6:
                text = text[:place]
    return text


def mutated(text, rng):
    """Content of a mutated file, as bytes."""
    if rng.random() < 0.65:
        with contextlib.suppress(yaml.YAMLError, RecursionError):
            tree = mutated_tree(yaml.safe_load(text), rng)
            return yaml.dump(tree, Dumper=DUMPER, sort_keys=False, allow_unicode=True).encode()
    content = mutated_text(text, rng).encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        content = content.decode("utf-8", "replace").encode(rng.choice(["utf-16", "latin-1", "utf-32"]), "replace")
    return content


def arguments(path, rng):
    given = ["--space", str(path), "--dry-run"]
    if rng.random() < 0.2:
        given.append("--smoke")
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        key = rng.choice(OVERRIDES)
        given += ["--set", key if rng.random() < 0.7 else f"{key.partition('=')[0]}={rng.choice(NASTY)!r}"]
    return given


def check(path, given, content):
    """Run the command; returns its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(given)
    printed = err.getvalue()
    assert code in (0, 2) and "Traceback" not in printed + out.getvalue()
    if code == 2:
        assert printed.startswith("error: ") and printed.count("error: ") == 1
        assert str(path) in printed or "--set" in printed, printed
        assert re.search(r"expected|did you mean|valid keys|such as|\S+ \S+", printed.partition(": ")[2])
        assert len(printed) < 6_000, "more than a message"
    else:
        overrides = [given[i + 1] for i, word in enumerate(given) if word == "--set"]
        study = load_study(path, overrides, smoke="--smoke" in given)
        again = path.with_name("again.yaml")
        again.write_text(study.as_yaml(), encoding="utf-8")
        assert load_study(again).digest() == study.digest()
    return code


@pytest.fixture
def quick_plan(monkeypatch):
    """Speeds are not measured anew for each file; the arithmetic of the network's size is done."""
    of_galaxies.training_flops(load_study(SPACES[0]).model)  # what is imported first must not count as a hang

    def calibrate(self, placement):
        assert of_galaxies.training_flops(self.study.model) > 0
        return Cost(100.0, 100.0, "cpu")

    def calibrate_enhancers(self, placement):
        assert of_pairs.training_flops(self.study.model, self.study.train) > 0
        return Cost(100.0, 100.0, "cpu")

    monkeypatch.setattr(of_galaxies.GalaxyCost, "calibrate", calibrate)
    monkeypatch.setattr(of_pairs.PairCost, "calibrate", calibrate_enhancers)


def fuzz(space, count, seed, folder, alarm):
    rng = random.Random(f"{space.name} {seed}")
    text = space.read_text()
    path = folder / "mutated.yaml"
    codes = {0: 0, 2: 0}
    for number in range(count):
        content, given = mutated(text, rng), arguments(path, rng)
        path.write_bytes(content)
        alarm()
        try:
            codes[check(path, given, content)] += 1
        except BaseException as error:
            error.add_note(f"{space.name}, seed {seed}, number {number}: {given}\n{content[:3000]!r}")
            raise
    return codes


@pytest.mark.parametrize("space", SPACES, ids=lambda path: path.stem)
def test_some_mutations(space, tmp_path, alarm, quick_plan):
    codes = fuzz(space, 60, 0, tmp_path, alarm)
    assert min(codes.values()) > 3, codes


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES, ids=lambda path: path.stem)
def test_five_thousand_mutations(space, tmp_path, alarm, quick_plan):
    codes = fuzz(space, PER_SPACE, 1, tmp_path, alarm)
    print(space.name, codes)
    assert sum(codes.values()) == PER_SPACE and min(codes.values()) > PER_SPACE // 50
