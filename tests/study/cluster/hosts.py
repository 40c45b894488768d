"""Machines of their own inside this one: network, processes and home are separate, ssh is the way in.

Each is a set of Linux namespaces on one bridge, with an overlay over the home and the Python environment, so that
whatever is installed or written there is gone with it. Needs root, `ip`, `sshd` and `rsync`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOOLS = ("ip", "unshare", "nsenter", "ssh", "ssh-keygen", "rsync", "/usr/sbin/sshd")
SSHD = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
"""


def missing() -> str | None:
    """Why hosts cannot be made here, or None."""
    if os.geteuid():
        return "needs root, for namespaces"
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    if absent:
        return f"needs {', '.join(absent)}"
    tried = subprocess.run(["unshare", "-nmpu", "--fork", "--mount-proc", "true"], capture_output=True, text=True)
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else None


class Host:
    """One machine: a network address, its own processes, home, Python environment, `/tmp/ray` and `/run`."""

    def __init__(self, folder: Path, name: str, address: str, shared: Path, names: Path):
        self.folder, self.name, self.address = folder / name, name, address
        self.folder.mkdir()
        layers = [Path.home()]
        if not Path(sys.prefix).is_relative_to(Path.home()):
            layers.append(Path(sys.prefix))
        script = ["set -e", "mount --make-rprivate /", "mount -t tmpfs none /mnt", "mkdir /mnt/shared"]
        script += [f"mount --bind {shared} /mnt/shared", f"mount --bind {names} /etc/hosts"]
        for k, layer in enumerate(layers):
            upper, work = self.folder / f"upper{k}", self.folder / f"work{k}"
            upper.mkdir()
            work.mkdir()
            script.append(f"mount -t overlay -o lowerdir={layer},upperdir={upper},workdir={work} none {layer}")
        script += ["mkdir -p /tmp/ray", "mount -t tmpfs none /tmp/ray", "mount -t tmpfs none /run"]
        script += ["mkdir /run/sshd", f"hostname {name}", f"touch {self.folder}/ready", "while :; do sleep 3600; done"]
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                ["unshare", "-nmpu", "--fork", "--mount-proc", "--kill-child", "bash", "-c", "\n".join(script)],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not (self.folder / "ready").exists():
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)
        outer = self.process.pid
        self.pid = int(Path(f"/proc/{outer}/task/{outer}/children").read_text())

    def command(self, text: str) -> list[str]:
        """Command line that runs a shell text there."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "-u", "bash", "-c", text]

    def run(self, text: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a shell text there."""
        there = f"cd {cwd}; {text}" if cwd else text
        return subprocess.run(self.command(there), capture_output=True, text=True, timeout=900)

    def start(self, text: str, log: Path, cwd: Path) -> subprocess.Popen[bytes]:
        """Run there what keeps running."""
        with open(log, "w") as out:
            return subprocess.Popen(self.command(f"cd {cwd}; {text}"), stdout=out, stderr=out, start_new_session=True)

    def must(self, text: str) -> None:
        """Run what has to succeed."""
        done = self.run(text)
        assert done.returncode == 0, f"{self.name}: {text}\n{done.stderr}"


@contextlib.contextmanager
def hosts(folder: Path, addresses: dict[str, str]):
    """Machines with these names and addresses in one /24 network; `~/.ssh` of the first opens the others.

    Parameters
    ----------
    folder : Path
        Keys, logs and what is written on the machines; `folder/shared` is `/mnt/shared` of each.
    addresses : dict
        Name to address.

    Yields
    ------
    list of Host
    """
    shared = folder / "shared"
    shared.mkdir()
    for key in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
    (folder / "sshd_config").write_text(SSHD.format(folder=folder))
    names = folder / "hosts"
    names.write_text("".join(f"{a} {n}\n" for n, a in {"localhost": "127.0.0.1", **addresses}.items()))
    made: list[Host] = []
    try:
        made.extend(Host(folder, name, address, shared, names) for name, address in addresses.items())
        first, *others = made
        first.must("ip link set lo up && ip link add bridge type bridge && ip link set bridge up")
        first.must(f"ip address add {first.address}/24 dev bridge && ip route add default dev bridge")
        for k, host in enumerate(others):
            # Seen from outside, where both processes have numbers.
            pair = f"link add port{k} type veth peer name eth0 netns {host.pid}"
            subprocess.run(["nsenter", "-t", str(first.pid), "-n", "ip", *pair.split()], check=True)
            first.must(f"ip link set port{k} master bridge && ip link set port{k} up")
            host.must(f"ip link set lo up && ip address add {host.address}/24 dev eth0 && ip link set eth0 up")
            host.must(f"ip route add default via {first.address}")
            host.must(f"/usr/sbin/sshd -f {folder}/sshd_config")
        first.must(f"rm -rf ~/.ssh; mkdir -m 700 ~/.ssh; cp {folder}/key ~/.ssh/id_ed25519")
        first.must("printf 'StrictHostKeyChecking accept-new\n' > ~/.ssh/config")
        yield made
    finally:
        for host in made:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(host.process.pid, signal.SIGKILL)
            host.process.wait()
