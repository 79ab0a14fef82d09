"""An empty data directory of each engine, made once and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from runbook_lib.errors import StepFailed
from runbook_lib.locking import fcntl
from runbook_lib.mysql import Database
from runbook_lib.rehearsal.copying import copy_tree
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.folders import default_parent
from runbook_lib.rehearsal.servers import SUPERUSER, Server, ServerFiles, what_is_wrong

_FORMAT = "1"  # goes up when what is in a template changes
_SECONDS_TO_MAKE = 300.0


def template(engine: Engine, *, work: Path, socket: Path) -> Path:
    """Return the data directory of a server that has never been used, with only the superuser in it.

    It is made in `work`, where its servers have an owner, and moved into the cache in one step; who comes second
    waits.

    Raises:
        StepFailed: the engine cannot make one.
    """
    cache = _cache()
    place = cache / _key(engine)
    if place.is_dir():
        return place
    handle = os.open(cache / f"{place.name}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not place.is_dir():
            part = cache / f"{place.name}.part"
            shutil.rmtree(part, ignore_errors=True)  # of somebody who was killed: we hold the lock
            files = ServerFiles(folder=work, socket=socket)
            _make(engine, files)
            copy_tree(files.data, part)
            part.rename(place)
            shutil.rmtree(work)
    finally:
        os.close(handle)
    return place


def _cache() -> Path:
    home = Path.home()
    usual = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    base = Path(os.environ.get("XDG_CACHE_HOME") or usual)
    cache = base / "aurora-recovery-runbooks" / "templates"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            return cache
    except OSError:  # no home of one's own, as for a service's user: the cache then lasts until the next start
        cache = default_parent() / "templates"
        cache.mkdir(exist_ok=True)
        return cache


def _key(engine: Engine) -> str:
    program = engine.server.resolve()
    facts = (_FORMAT, engine.family, engine.version, str(program), str(program.stat().st_mtime_ns))
    return f"{engine.family}-{engine.version}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"


def _make(engine: Engine, files: ServerFiles) -> None:
    files.folder.mkdir(parents=True)
    command: list[str | Path]
    user = ["--user=root"] if os.geteuid() == 0 else []
    if engine.install_script:
        base = [argument for argument in engine.server_args if argument.startswith("--basedir=")] or _base_of(engine)
        command = [
            engine.install_script, "--no-defaults", *base, *user, f"--datadir={files.data}",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
        ]  # fmt: skip
    else:
        command = [
            engine.server, "--no-defaults", *engine.server_args, *user, f"--datadir={files.data}",
            "--initialize-insecure", "--loose-innodb-redo-log-capacity=64M", "--innodb-use-native-aio=0",
        ]  # fmt: skip
    made = subprocess.run(  # noqa: S603  # the engine's own program
        command, capture_output=True, text=True, errors="replace", timeout=_SECONDS_TO_MAKE, stdin=subprocess.DEVNULL
    )
    if made.returncode:
        raise StepFailed(
            f"{engine.title} ({engine.server}) cannot make a data directory: "
            f"{what_is_wrong(made.stdout + made.stderr)}",
            hint="Look whether the disk is full, or name another server by RUNBOOK_MYSQLD.",
        )
    server = Server(engine, files, superuser="root")
    server.start()
    with server.admin() as database:
        _leave_one_superuser(database)
    server.stop()


def _base_of(engine: Engine) -> list[str]:
    """Tell the install script where an engine outside the system's folders has its files."""
    base = engine.server.parent.parent
    return [] if base in (Path("/usr"), Path("/")) else [f"--basedir={base}"]


def _leave_one_superuser(database: Database) -> None:
    """Keep the superuser for the socket only, under Aurora's name for it."""
    for user, host in database.rows("SELECT user, host FROM mysql.user WHERE user IN ('', 'root')"):
        if (user, host) != ("root", "localhost"):
            database.execute("DROP USER %s@%s", (user, host))
    database.execute("RENAME USER 'root'@'localhost' TO %s@'localhost'", (SUPERUSER,))
