"""Where the program is, and the real galaxies beside it."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "galaxies"
