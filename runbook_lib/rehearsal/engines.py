"""The MySQL-compatible servers on this machine, and the client programs that belong to them.

A server's family is what it says of itself: on Debian /usr/sbin/mysqld may be a link to mariadbd.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from runbook_lib.errors import InputRefused

VARIABLE = "RUNBOOK_MYSQLD"
FAMILIES = ("mysql", "mariadb")
HOW_TO_GET_ONE = (
    "Get one in one of three ways: Debian or Ubuntu, `apt-get install mariadb-server-core mariadb-client` (binaries "
    "only, no service); macOS, `brew install mariadb`; or the conda environment of environment.yml. A server that is "
    f"somewhere else is named by the environment variable {VARIABLE}: the program, or a folder whose bin/ holds it."
)

_OLDEST = {"mysql": (8, 0, 0), "mariadb": (10, 11, 0)}  # Aurora MySQL 3 is MySQL 8.0; older MariaDB has no atomic DDL
_SERVERS = ("mysqld", "mariadbd")
_INSIDE = ("bin", "sbin", "libexec", "usr/sbin", "usr/bin")
_SYSTEM = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/usr/libexec", "/usr/local/mysql/bin")
_BREW = ("/opt/homebrew", "/usr/local", "/home/linuxbrew/.linuxbrew")
_CLIENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "mysql": {"log": ("mysqlbinlog",), "command": ("mysql",), "dump": ("mysqldump",)},
    "mariadb": {
        "log": ("mariadb-binlog", "mysqlbinlog"),
        "command": ("mariadb", "mysql"),
        "dump": ("mariadb-dump", "mysqldump"),
    },
}
_INSTALL = ("mariadb-install-db", "mysql_install_db")
_VERSION_SECONDS = 30  # a cold start of a 70 MB program on a busy machine


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One server program and what belongs to it.

    `server_args` come first on the server's command line; `install_script` is MariaDB's, None for MySQL.
    """

    family: str
    version: str
    server: Path
    log_client: Path
    command_client: Path
    dump_client: Path
    install_script: Path | None = None
    server_args: tuple[str, ...] = ()

    @property
    def is_mariadb(self) -> bool:
        """Tell the family, where the two differ."""
        return self.family == "mariadb"

    @property
    def title(self) -> str:
        """Name the engine for people: "MariaDB 10.11.19"."""
        return f"{'MariaDB' if self.is_mariadb else 'MySQL'} {self.version}"


def find_engines() -> tuple[Engine, ...]:
    """Return the usable engines of this machine, one a family, the first found first.

    Looked at in this order: $RUNBOOK_MYSQLD, the project's `.engine/`, $CONDA_PREFIX, $PATH, the system's folders,
    Homebrew's folders (keg-only formulas too).

    Raises:
        InputRefused: $RUNBOOK_MYSQLD names something that is no usable server.
    """
    named = tuple(part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part)
    return _find(named, os.environ.get("PATH", ""), os.environ.get("CONDA_PREFIX", ""), str(Path.cwd()))


def choose_engine(name: str = "") -> Engine:
    """Return the engine of that family ("mysql" or "mariadb"), or with no name the first one found.

    Raises:
        InputRefused: the name is no family, or there is no such server here.
    """
    if name and name not in FAMILIES:
        raise InputRefused(f'"{name}" is not a database engine.', hint='Write "mysql" or "mariadb".')
    engines = find_engines()
    for engine in engines:
        if name in ("", engine.family):
            return engine
    wanted = {"": "MySQL-compatible", "mysql": "MySQL", "mariadb": "MariaDB"}[name]
    others = f" (found: {', '.join(engine.title for engine in engines)})" if engines else ""
    raise InputRefused(f"No {wanted} server was found on this machine{others}.", hint=HOW_TO_GET_ONE)


@lru_cache(maxsize=16)
def _find(named: tuple[str, ...], path: str, conda: str, cwd: str) -> tuple[Engine, ...]:
    found: dict[str, Engine] = {}
    for name in named:
        for engine in _named(name):
            found.setdefault(engine.family, engine)
    for server in _servers(path, conda, cwd):
        if len(found) == len(FAMILIES):
            break
        if (engine_or_why := _engine(server)) and isinstance(engine_or_why, Engine):
            found.setdefault(engine_or_why.family, engine_or_why)
    return tuple(found.values())


def _named(name: str) -> list[Engine]:
    place = Path(name).expanduser()
    servers = [place] if place.is_file() else list(_servers_in(place))
    if not servers:
        raise InputRefused(
            f'{VARIABLE} names "{name}", which is neither a server program nor a folder that holds one.',
            hint="Name mysqld or mariadbd itself, or the folder whose bin/ holds it; or unset the variable.",
        )
    results = [_engine(server) for server in servers]
    engines = [result for result in results if isinstance(result, Engine)]
    if not engines:
        raise InputRefused(
            f'{VARIABLE} names "{name}", which cannot be used: {results[0]}.',
            hint="Name a MySQL 8.0+ or MariaDB 10.11+ server with its client programs; or unset the variable.",
        )
    return engines


def _servers(path: str, conda: str, cwd: str) -> Iterator[Path]:
    project = Path(__file__).parents[2]
    folders = []
    for own in dict.fromkeys((Path(cwd) / ".engine", project / ".engine")):
        folders += [own, *sorted(child for child in own.glob("*") if child.is_dir())]
    folders += [Path(conda)] if conda else []
    folders += [Path(part) for part in path.split(os.pathsep) if part]
    folders += [Path(part) for part in _SYSTEM]
    for prefix in map(Path, _BREW):
        folders += [prefix / "bin", *sorted(prefix.glob("opt/mysql*"), reverse=True)]
        folders += sorted(prefix.glob("opt/mariadb*"), reverse=True)
    seen: set[Path] = set()
    for folder in folders:
        for server in _servers_in(folder):
            if server.resolve() not in seen:
                seen.add(server.resolve())
                yield server


def _servers_in(folder: Path) -> Iterator[Path]:
    places = (folder, *(folder / inside for inside in _INSIDE))
    for place in places:
        for name in _SERVERS:
            if os.access(place / name, os.X_OK) and (place / name).is_file():
                yield place / name


def _engine(server: Path) -> Engine | str:
    """Return the engine of a server program, or why it is none."""
    if (version := server_version(server)) is None:
        return "it does not tell a version"
    family, numbers = version
    text = ".".join(map(str, numbers))
    if numbers < _OLDEST[family]:
        return f"{family} {text} is older than {'.'.join(map(str, _OLDEST[family]))}"
    clients: dict[str, Path] = {}
    for purpose, names in _CLIENTS[family].items():
        if (client := _program(server, names, family)) is None:
            return f"{family} {text} has no {names[0]} beside it or on PATH"
        clients[purpose] = client
    install = _program(server, _INSTALL, family) if family == "mariadb" else None
    if family == "mariadb" and install is None:
        return f"{family} {text} has no {_INSTALL[0]} beside it or on PATH"
    return Engine(
        family=family,
        version=text,
        server=server,
        log_client=clients["log"],
        command_client=clients["command"],
        dump_client=clients["dump"],
        install_script=install,
        server_args=_unpacked_args(server),
    )


def server_version(program: Path) -> tuple[str, tuple[int, int, int]] | None:
    """Ask a server program for its family and version, None when it does not say."""
    if not (said := _ask_version(program, "--no-defaults")):
        return None
    found = re.search(r"\bVer (\d+)\.(\d+)\.(\d+)", said)
    if not found:
        return None
    family = "mariadb" if "mariadb" in said.lower() else "mysql"
    return family, (int(found[1]), int(found[2]), int(found[3]))


def _ask_version(program: Path, *options: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603  # a program of this machine, found by name in known folders
            [program, *options, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # not a program that runs here (another architecture, a missing library): not an engine
    return answer.stdout if answer.returncode == 0 else ""


def _program(server: Path, names: tuple[str, ...], family: str) -> Path | None:
    root = server.parent.parent
    beside = [server.parent, *(root / inside for inside in ("bin", "scripts", "sbin")), root.parent / "bin"]
    path = os.pathsep.join([*map(str, beside), os.environ.get("PATH", ""), "/usr/bin", "/usr/local/bin"])
    for name in names:
        for folder in dict.fromkeys(path.split(os.pathsep)):
            found = shutil.which(name, path=folder) if folder else None
            if found and _is_of(Path(found), family):
                return Path(found)
    return None


def _is_of(program: Path, family: str) -> bool:
    """Tell whether a client belongs to a family: under MySQL's names MariaDB installs links to its own programs."""
    if program.name in _INSTALL:
        return True
    said = _ask_version(program, "--no-defaults").lower()
    mariadb = "mariadb" in said or "mariadb" in program.resolve().name
    return bool(said) and mariadb == (family == "mariadb")


def _unpacked_args(server: Path) -> tuple[str, ...]:
    """Tell an unpacked server (a folder with bin/ and root/usr) where its own files are."""
    usr = server.parent.parent / "root" / "usr"
    if not usr.is_dir():
        return ()
    shares = [share for share in (usr / "share" / "mysql", usr / "share" / "mariadb") if share.is_dir()]
    return (f"--basedir={usr}", *(f"--lc-messages-dir={share}" for share in shares[:1]))
