"""What the fuzz tests share: damage to bytes, and an alarm for whatever hangs."""

import signal

import numpy as np
import pytest

INTEGERS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"9999")


def damaged(data: bytes, rng: np.random.Generator, head: int = 400) -> bytes:
    """Flip, overwrite, insert, delete, repeat or cut some bytes, half of the time among the first `head`."""
    content = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not content:
            break
        at = int(rng.integers(min(len(content), head) if rng.random() < 0.5 else len(content)))
        length = int(rng.integers(1, 64))
        match rng.integers(7):
            case 0:
                content[at] ^= 1 << int(rng.integers(8))
            case 1:
                content[at : at + length] = rng.bytes(len(content[at : at + length]))
            case 2:
                content[at:at] = rng.bytes(length)
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = content[at : at + length] * int(rng.integers(1, 20))
            case 5:
                del content[at:]
            case 6:
                content[at : at + 4] = INTEGERS[rng.integers(4)]
    return bytes(content)


@pytest.fixture
def mutate():
    """`damaged`."""
    return damaged


@pytest.fixture
def alarm():
    """Call it before each input: fails instead of waiting for ever."""

    def late(number, frame):
        raise TimeoutError("one input took more than 60 s")

    previous = signal.signal(signal.SIGALRM, late)
    yield lambda: signal.alarm(60)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)
