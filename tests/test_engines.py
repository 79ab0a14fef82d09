"""Which servers of a machine are taken, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from runbook_lib.errors import InputRefused
from runbook_lib.rehearsal import engines
from runbook_lib.rehearsal.engines import Engine, choose_engine, find_engines

MYSQL = "Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"
MARIADB = "Ver 11.4.2-MariaDB for debian-linux-gnu on x86_64"


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{path.name}  {says}'\n")
    path.chmod(0o755)
    return path


def mysql_in(folder: Path, says: str = MYSQL) -> Path:
    for name in ("mysqlbinlog", "mysql", "mysqldump"):
        program(folder / "bin" / name, says)
    return program(folder / "bin" / "mysqld", says)


def mariadb_in(folder: Path) -> Path:
    for name in ("mariadb-binlog", "mariadb", "mariadb-dump", "mariadb-install-db"):
        program(folder / "bin" / name, MARIADB)
    return program(folder / "bin" / "mariadbd", MARIADB)


def name_it(monkeypatch: pytest.MonkeyPatch, *places: Path) -> None:
    monkeypatch.setenv(engines.VARIABLE, ":".join(map(str, places)))


@pytest.mark.parametrize("by_folder", [True, False])
def test_a_named_server_comes_before_those_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_folder: bool
) -> None:
    mysql, mariadb = mysql_in(tmp_path / "my"), mariadb_in(tmp_path / "maria")
    places = (tmp_path / "maria", tmp_path / "my") if by_folder else (mariadb, mysql)
    name_it(monkeypatch, *places)
    assert [(engine.family, engine.version, engine.server) for engine in find_engines()] == [
        ("mariadb", "11.4.2", mariadb),
        ("mysql", "8.0.36", mysql),
    ]
    assert choose_engine().family == "mariadb"
    assert choose_engine("mysql").log_client == tmp_path / "my" / "bin" / "mysqlbinlog"


def test_the_family_is_what_the_server_says_not_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mariadb = mariadb_in(tmp_path)
    (tmp_path / "bin" / "mysqld").symlink_to(mariadb)
    for name in ("mysqlbinlog", "mysql", "mysqldump"):
        program(tmp_path / "bin" / name, MARIADB)
    name_it(monkeypatch, tmp_path / "bin" / "mysqld")
    engine = find_engines()[0]
    assert (engine.family, engine.title) == ("mariadb", "MariaDB 11.4.2")


def test_a_mysql_server_does_not_take_the_client_programs_of_mariadb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = mysql_in(tmp_path)
    program(tmp_path / "bin" / "mysqlbinlog", MARIADB)
    monkeypatch.setenv("PATH", "")
    name_it(monkeypatch, server)
    with pytest.raises(InputRefused, match=r"mysql 8\.0\.36 has no mysqlbinlog beside it or on PATH"):
        find_engines()


def test_an_unpacked_server_is_told_where_its_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mysql_in(tmp_path)
    messages = tmp_path / "root" / "usr" / "share" / "mysql"
    messages.mkdir(parents=True)
    name_it(monkeypatch, tmp_path)
    assert choose_engine("mysql").server_args == (
        f"--basedir={tmp_path / 'root' / 'usr'}",
        f"--lc-messages-dir={messages}",
    )


@pytest.mark.parametrize(
    ("says", "why"),
    [("Ver 5.7.44 for Linux", r"mysql 5\.7\.44 is older than 8\.0\.0"), ("who knows", "does not tell a version")],
)
def test_a_named_server_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, why: str
) -> None:
    name_it(monkeypatch, mysql_in(tmp_path, says))
    with pytest.raises(InputRefused, match=why):
        find_engines()


def test_a_named_place_without_a_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name_it(monkeypatch, tmp_path / "nothing")
    with pytest.raises(InputRefused, match="neither a server program nor a folder that holds one"):
        find_engines()


def test_without_an_engine_the_three_ways_to_get_one_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(engines.VARIABLE, raising=False)
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    for places in ("_SYSTEM", "_BREW"):
        monkeypatch.setattr(engines, places, ())  # this machine's own servers
    monkeypatch.setattr(engines, "__file__", str(tmp_path / "a" / "b" / "engines.py"))
    with pytest.raises(InputRefused, match="No MySQL-compatible server was found") as caught:
        choose_engine()
    for way in ("mariadb-server-core mariadb-client", "brew install mariadb", "conda environment", engines.VARIABLE):
        assert way in caught.value.hint


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputRefused, match='"oracle" is not a database engine'):
        choose_engine("oracle")


def test_the_programs_of_an_engine_are_there(engine: Engine) -> None:
    programs = (engine.server, engine.log_client, engine.command_client, engine.dump_client)
    assert all(path.is_file() for path in programs)
    assert (engine.install_script is not None) == engine.is_mariadb
