"""What the fuzz tests share: damage to bytes, and an alarm for whatever hangs."""

import signal

import numpy as np
import pytest

PROCESSOR_S, WAITING_S = 20, 600
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
    """Call it before each input: fails instead of working for ever (processor time), or waiting (a long while)."""

    def late(number, frame):
        raise TimeoutError(f"one input took more than {PROCESSOR_S} s of the processor, or {WAITING_S} s in all")

    previous = {each: signal.signal(each, late) for each in (signal.SIGPROF, signal.SIGALRM)}

    def begin():
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_S)
        signal.alarm(WAITING_S)

    yield begin
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.alarm(0)
    for each, handler in previous.items():
        signal.signal(each, handler)
