"""The configuration: YAML and variables of distribution 2.8 and 3, and our own keys.

`load` is the way in. Only `registry.cli` and `registry.serve` use this package; everything else is
given the values it needs.
"""

from registry.config.address import Address, parse_address
from registry.config.defaults import builtin
from registry.config.keys import Seconds
from registry.config.load import SERVED_DRIVERS, Loaded, load
from registry.config.problems import ConfigurationError, ConfigurationWarning, Problem
from registry.config.schema import Configuration

__all__ = [
    "SERVED_DRIVERS",
    "Address",
    "Configuration",
    "ConfigurationError",
    "ConfigurationWarning",
    "Loaded",
    "Problem",
    "Seconds",
    "builtin",
    "load",
    "parse_address",
]
