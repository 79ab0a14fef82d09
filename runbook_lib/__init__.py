"""Bring an Aurora MySQL database back, prove it, and say what its backups cost."""

__version__: str


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: reading packages' metadata takes a short command noticeable time."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("aurora-recovery-runbooks")
    except PackageNotFoundError:  # used from a checkout that was never installed
        return "0+unknown"
