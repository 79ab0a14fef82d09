"""The notebooks and parameter files that come with the library, for those who work without a checkout.

In a checkout `_notebooks` and `_parameters` are links to the folders at its top; an installed package has the files.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
NOTEBOOKS = _PACKAGE / "_notebooks"
PARAMETERS = _PACKAGE / "_parameters"


def notebook(named: Path) -> Path:
    """Return the notebook that is meant: the file as named, else that name in `notebooks/`, else the shipped one.

    `inspect_backups`, `inspect_backups.ipynb` and `notebooks/inspect_backups.ipynb` all name the same. Where nothing
    is found the path comes back as it was named, for the reader's own sentence.
    """
    file = named if named.suffix == ".ipynb" else named.with_name(f"{named.name}.ipynb")
    if named.is_file() or file.is_file():
        return named if named.is_file() else file
    bare = file.parent == Path()
    if bare and (Path("notebooks") / file).is_file():
        return Path("notebooks") / file
    shipped = NOTEBOOKS / file.name
    return shipped if shipped.is_file() and (bare or file.parent == Path("notebooks")) else named


def notebooks(folder: Path) -> Path:
    """Return the folder of the notebooks: as named, else the shipped ones where `notebooks` is only the default."""
    return NOTEBOOKS if folder == Path("notebooks") and not folder.is_dir() else folder


def parameter_file(named: Path) -> Path:
    """Return the parameter file that is meant: as named, else the shipped one for `parameters/NAME`."""
    shipped = PARAMETERS / named.name
    return shipped if named.parent == Path("parameters") and not named.exists() and shipped.is_file() else named
