"""A study's settings: from a YAML file to a frozen, checked `Study`."""

from study.config.errors import ConfigError
from study.config.load import load_study
from study.config.study import Study

__all__ = ["ConfigError", "Study", "load_study"]
