"""Bring an Aurora MySQL database back, prove it, and say what its backups cost."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("aurora-recovery-runbooks")
except PackageNotFoundError:  # used from a checkout that was never installed
    __version__ = "0+unknown"
