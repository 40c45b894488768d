"""How every command ends: exit code, one message, and how to go on."""

import argparse
import os
import signal

import pytest

from common.command import explain_resources, repeat, run_command
from common.errors import InputError


def parser():
    this = argparse.ArgumentParser(prog="python -m tool")
    this.add_argument("name", nargs="?")
    return this


def raising(error):
    def run(options):
        raise error

    return run


def test_the_commands_own_exit_code_is_returned():
    assert run_command(parser(), ["a"], lambda options: 1 if options.name == "a" else 0) == 1


def test_wrong_input_is_one_line_and_2(capsys):
    assert run_command(parser(), [], raising(InputError("x.fits: [3] is empty"))) == 2
    assert capsys.readouterr().err == "error: x.fits: [3] is empty\n"


def test_interrupted_says_how_to_go_on(capsys):
    code = run_command(
        parser(), ["two words"], raising(KeyboardInterrupt()), interrupted="stopped", go_on=repeat(parser())
    )
    assert code == 130 and capsys.readouterr().err.split("\n")[1:3] == ["stopped", "  python -m tool 'two words'"]


def test_sigterm_is_an_interruption_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)

    def run(options):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    assert run_command(parser(), [], run) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_full_disks_and_little_memory_are_explained_other_faults_are_raised(capsys):
    explain = explain_resources("fewer at once")
    assert run_command(parser(), [], raising(OSError(28, "No space left on device")), explain=explain) == 1
    assert "No space left" in capsys.readouterr().err
    assert run_command(parser(), [], raising(MemoryError()), explain=explain) == 1
    assert "fewer at once" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="a bug"):
        run_command(parser(), [], raising(RuntimeError("a bug")), explain=explain)
