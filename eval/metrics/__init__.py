"""The metrics: every module of this package registers those that it defines (see `registry`)."""

import importlib
import pkgutil

from eval.metrics.registry import GALAXIES, PAIRS, Metric, Registry, Sample, Samples

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["GALAXIES", "PAIRS", "Metric", "Registry", "Sample", "Samples"]
