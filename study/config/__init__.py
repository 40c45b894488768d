"""A study's settings: from a YAML file to a frozen, checked `Study`."""

from study.config.errors import ConfigError
from study.config.study import Study, load_study

__all__ = ["ConfigError", "Study", "load_study"]
