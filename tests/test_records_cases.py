"""What once broke or fooled the record, done as a user does it: by the command line."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell

from runbook_lib.cli import main
from runbook_lib.records.manifest import hash_of_value
from runbook_lib.records.store import CHAIN, FILES, Store
from tests.matrix import thorough
from tests.records_support import make_record, run_cli, states, write_notebook

SHOW = "display({'application/json': {'runbook_result': %s}, 'text/plain': 'r'}, raw=True)"
CHECK_FAILED = SHOW % "{'outcome': 'check-failed', 'headline': '12 tables are still damaged'}"
C, F, N = "completed", "failed", "never-ran"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the command line answered."""

    code: int
    out: str
    err: str


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command line, without the half second that a process takes."""

    def saying(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        code = ended.value.code
        assert isinstance(code, int)
        said = Said(code=code, out=(read := capsys.readouterr()).out, err=read.err)
        assert "Traceback" not in said.err, said.err
        assert "fault of ours" not in said.err, said.err
        assert not set(said.out + said.err) & set("\x1b\x9b\u202e")
        return said

    return saying


# How a run ends: the cells, their tags, the exit code, the cells' states, and a part of the headline.
Ending = tuple[list[str], dict[int, str], int, list[str], str]
ENDINGS: dict[str, Ending] = {
    "an error that %%capture hides": (["%%capture\n1 / 0", "2"], {}, 5, [F, N], "ZeroDivisionError"),
    "an error of a cell run by a cell": (["get_ipython().run_cell('1 / 0')", "2"], {}, 5, [F, N], "ZeroDivisionError"),
    "exit()": (["exit()\nprint('on')", "2"], {}, 0, [C, N], "ended the run early, as asked"),
    "exit(3)": (["exit(3)", "2"], {}, 3, [F, N], "exit status 3"),
    "sys.exit('')": (["import sys\nsys.exit('')", "2"], {}, 5, [F, N], "exit status ''"),
    "sys.exit(True)": (["import sys\nsys.exit(True)", "2"], {}, 5, [F, N], "exit status 1"),
    "a kernel that a cell shuts down": (
        ["get_ipython().kernel.do_shutdown(False)", "2"],
        {},
        0,
        [C, N],
        "ended the run",
    ),
    "a display that is none": (["display({'text/plain': 5}, raw=True)", "2"], {}, 5, [F, N], "holds int, not text"),
    "a display of a list": (["display({'text/html': [1, 2]}, raw=True)", "2"], {}, 5, [F, N], "holds list, not text"),
    "facts that are none": ([SHOW % "{'outcome': 'succeeded', 'facts': 'abc'}"], {}, 5, [C], "its facts cannot be str"),
    "a result that is none": ([SHOW % "5"], {}, 5, [C], "its headline cannot be int"),
    "a cell below a failed check": ([CHECK_FAILED, "2"], {}, 3, [C, C], "12 tables are still damaged"),
    "a flood before a failed check": (
        ["print('password' * 6000, 'x' * 3_000_000)\n" + CHECK_FAILED],
        {},
        3,
        [C],
        "12 tables are still damaged",
    ),
    "signs that no text may hold": (["print('\\ud800')\nraise ValueError('\\ud800')", "2"], {}, 5, [F, N], "Cell 3"),
    "a name that acts": (["raise type('E\\x1b[2J', (Exception,), {})('\\x9b31m')", "2"], {}, 5, [F, N], "Cell 3"),
    "a failure that is allowed and a cell that is skipped": (
        ["1 / 0", "2", "3"],
        {0: "raises-exception", 1: "skip-execution"},
        0,
        [F, N, C],
        "2 of 4 cells completed; cell 3 failed, as its tag allows; cell 4 was skipped, as its tag says.",
    ),
    "no cell": ([], {}, 0, [], "Every cell completed."),
}
QUICK = (
    "a flood before a failed check",
    "a display that is none",
    "an error that %%capture hides",
    "exit()",
    "a cell below a failed check",
    "a failure that is allowed and a cell that is skipped",
)


@pytest.mark.parametrize("name", [name if name in QUICK else thorough(name) for name in ENDINGS])
def test_the_record_says_what_was_run(name: str, tmp_path: Path, say: Callable[..., Said]) -> None:
    cells, tags, code, expected, headline = ENDINGS[name]
    notebook = write_notebook(tmp_path / "n.ipynb", *cells, tags=tags)
    store = tmp_path / "store"
    assert say("run", notebook, "--records", store).code == code
    said = json.loads(say("records", "list", "--records", store, "--json").out)
    assert headline in said["headline"]
    assert (said["exit_code"], states(Path(said["folder"]) / "record.ipynb")) == (code, expected)
    assert {path.name for path in Path(said["folder"]).iterdir()} == set(FILES)
    assert say("records", "show", "latest", "--records", store).code == 0
    assert say("records", "verify", "--records", store).code == 0


@pytest.mark.thorough
@pytest.mark.parametrize("name", ENDINGS)
def test_papermill_with_the_engine_says_the_same(name: str, tmp_path: Path, say: Callable[..., Said]) -> None:
    cells, tags, code, expected, headline = ENDINGS[name]
    notebook = write_notebook(tmp_path / "n.ipynb", *cells, tags=tags)
    command = [sys.executable, "-m", "papermill", "--engine", "runbook", str(notebook), str(tmp_path / "out.ipynb")]
    store = tmp_path / "store"
    environment = {**os.environ, "RUNBOOK_RECORDS": str(store)}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert (ran.returncode == 0) is (code == 0)
    said = json.loads(say("records", "list", "--records", store, "--json").out)
    assert headline in said["headline"]
    assert (said["exit_code"], states(Path(said["folder"]) / "record.ipynb")) == (code, expected)


# What a run refuses before anything is run: the notebook as JSON or None for a good one, and what is given.
DECLARED = (
    "n: int = 1\nx: str = 'a'\nd: dict[str, int] = {}\np: tuple[str, int] = ('a', 1)\nl: list = []\n"
    "g: dict = {}\nw: dict[str, list[int]] = {}"
)
GOOD = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "python3", "display_name": "P"}}}
CODE: dict[str, Any] = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": None, "outputs": []}


def _kernel(name: str) -> dict[str, Any]:
    return {**GOOD, "metadata": {"kernelspec": {"name": name, "display_name": "x"}}, "cells": [{**CODE, "source": "1"}]}


REFUSED: dict[str, tuple[Any, list[str]]] = {
    "a kernel that is nowhere": (_kernel("nosuch"), []),
    "a kernel of another language": (_kernel("ir"), []),
    "a folder that is nowhere": (None, ["--cwd", "nowhere"]),
    "no metadata": ({"nbformat": 4, "nbformat_minor": 5, "cells": []}, []),
    "a list": ([], []),
    "an output that is none": ({**GOOD, "cells": [{**CODE, "source": "1", "outputs": [5]}]}, []),
    "tags that are text": ({**GOOD, "cells": [{**CODE, "source": "1", "metadata": {"tags": "parameters"}}]}, []),
    "half a surrogate pair": (None, ["-f", "surrogate.yml"]),
    "brackets without an end": (None, ["-f", "deep.yml"]),
    "a text in a mapping of numbers": (None, ["-p", "d", '{"a": "x"}']),
    "true in a mapping of numbers": (None, ["-p", "d", '{"a": true}']),
    "a list in a mapping of numbers": (None, ["-p", "d", '{"a": [1]}']),
    "true in a mapping of lists": (None, ["-p", "w", '{"a": [true]}']),
    "a tuple of one": (None, ["-p", "p", '["a"]']),
    "a tuple of three": (None, ["-p", "p", '["a", 1, 2]']),
    "a tuple turned round": (None, ["-p", "p", '[1, "a"]']),
    "a name twice in JSON": (None, ["-p", "g", '{"a": 1, "a": 2}']),
    "a name twice": (None, ["-p", "n", "1", "-p", "n", "2"]),
    "no number in a list": (None, ["-p", "l", "[NaN]"]),
    "a number without end in a mapping": (None, ["-p", "g", '{"a": 1e999}']),
    "a number of 5,000 figures": (None, ["-p", "n", "1" * 5000]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_in_a_sentence(name: str, tmp_path: Path, say: Callable[..., Said]) -> None:
    content, given = REFUSED[name]
    notebook = write_notebook(tmp_path / "n.ipynb", "1", parameters=DECLARED)
    if content is not None:
        notebook.write_text(json.dumps(content))
    (tmp_path / "surrogate.yml").write_text('x: "\\ud800"\n')
    (tmp_path / "deep.yml").write_text("l: " + "[" * 3000)
    arguments = [str(tmp_path / each) if each.endswith(".yml") else each for each in given]
    said = say("run", notebook, "--records", tmp_path / "store", *arguments)
    assert (said.code, said.err.count("Refused:")) == (2, 1), said.err
    assert len(said.err) < 900
    assert not (tmp_path / "store").exists()


# One notebook that shows what must be in its record, and what must not.
PICTURE = base64.b64encode(b"\x89PNG").decode()
KNOWN = "Qw'e&rTy12345678"
SECRETS = ("b4dor", "Ty12345678", "AKIAQWERTYUIOPASDFGH")
INNOCENT = (
    "The damage was identified as 'TRUNCATE TABLE tenants' at 03:00",
    "password_resets=42 rows",
    "pwd=/home/runbook",
    "session_token_ttl=3600",
    "secret: rds!cluster-3f2a-AbCdEf",
)
ACTING = (
    '<meta http-equiv="refresh" content="0;url=http://evil.example">',
    "<style>header{display:none}</style><base href='http://evil.example/'>",
    "<form action='http://evil.example'><button>Approve</button></form>",
    "<div style='margin-top:calc(0px - (900px));color:rgb(1, 2, 3)'>over</div>",
    "<p>the load \u202edias ti tahw\u202c ended</p>",
    "<div style='margin-top:max(-900px, calc(sin(5) * 900px))'>over</div>",
)
PRINTED = """SET PASSWORD FOR a = 'Tr0ub4dorWORD'
mysql -h db -pTr0ub4dorWORD x
DB_PASS=Tr0ub4dorWORD
db:5432:prod:admin:Tr0ub4dorWORD
mysql://admin:abc/Tr0ub4dorWORD@db/x
password=Ab1&Tr0ub4dorWORD
Connection(password=b'Tr0ub4dorWORD')
"""
CELLS = (
    "import ipywidgets\nbox = ipywidgets.Output()\nwith box:\n    print('inside the widget')\ndisplay(box)",
    "with box:\n    print('later into the first')",
    "import pandas\nfrom runbook_lib import events, redaction\n"
    "known = redaction.remember(\"Qw'e\" + '&rTy1234' + '5678', kind='database password')\n"
    "pandas.DataFrame({'x': [known]})",
    "from IPython.display import HTML, JSON\nword = 'Tr0ub' + '4dorWORD'\ndisplay(JSON({'n': [{'password': word}]}))\n"
    "events.announce('sign-in', password=word, client=repr({'password': word.encode()}))",
    # not in its source, which `scan` reads as text
    f"import base64\nprint(base64.b64decode({base64.b64encode(PRINTED.encode())!r}).decode())",
    "print('a' * 60000, known, 'b' * 8183)\nprint('a' * 57356 + ' AK' + 'IAQWERTYUIOPASDFGH ' + 'b' * 30000)",
    "print({'secret': secret})",
    *(f"print({text!r})" for text in INNOCENT),
    *(f"HTML({html!r})" for html in ACTING),
)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """The folder of its record, and what its run said; the note it sent was answered by sending it on."""
    folder = tmp_path_factory.mktemp("shown")
    path = write_notebook(
        folder / "shown.ipynb", *CELLS, parameters='secret: str = ""  # the name of the account\ncluster: str = ""'
    )
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["connection"] = {"host": "db", "password": "Tr0ub4dorMETA"}
    notebook.cells[2].metadata["made"] = {"by": "AKIAQWERTYUIOPASDFGH", "password": "Tr0ub4dorMADE"}
    notebook.cells += [
        new_markdown_cell("![it](attachment:it.png)", attachments={"it.png": {"image/png": PICTURE}}),
        new_markdown_cell("![gone](attachment:gone.png) and the rest"),
        new_markdown_cell("see", attachments={"note.txt": {"text/plain": "password='Tr0ub4dorNOTE'"}}),
    ]
    nbformat.write(notebook, path)
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append("POST")
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302)
            self.send_header("Location", "/other")
            self.end_headers()

        def do_GET(self) -> None:
            asked.append("GET")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/hook"
    given = ("-p", "secret", "prod/aurora/reader-2", "-p", "cluster", "[/x]", "--notify", address, "--ping", address)
    ran = run_cli("run", path, "--records", "store", *given, cwd=folder)
    server.shutdown()
    server.server_close()
    assert "POST" in asked
    assert "GET" not in asked
    (record,) = folder.glob("store/*/*/record.ipynb")
    return record.parent, Said(code=ran.returncode, out=ran.stdout, err=ran.stderr)


@pytest.mark.xdist_group("shown")
def test_what_a_notebook_shows_is_in_its_report(shown: tuple[Path, Said]) -> None:
    folder, ran = shown
    assert ran.code == 0, ran.err
    page = (folder / "report.html").read_text()
    for text in (f"data:image/png;base64,{PICTURE}", "and the rest", "inside the widget", "later into the first"):
        assert text in page


@pytest.mark.xdist_group("shown")
def test_secrets_are_in_no_file_and_innocent_words_stay(shown: tuple[Path, Said], say: Callable[..., Said]) -> None:
    folder, ran = shown
    for file in folder.iterdir():
        for trace in SECRETS:
            assert trace not in file.read_text(), f"{trace} stands in {file.name}"
    assert not any(trace in ran.out + ran.err for trace in SECRETS)
    assert say("records", "scan", folder).code == 0
    record = nbformat.read(folder / "record.ipynb", as_version=4)
    printed = "".join(output.get("text", "") for cell in record.cells for output in cell.get("outputs", ()))
    for text in (*INNOCENT, "{'secret': 'prod/aurora/reader-2'}"):
        assert text in printed
    sources = [cell.source for cell in record.cells]
    assert "print({'secret': secret})" in sources
    assert any('secret = "prod/aurora/reader-2"' in source for source in sources)


@pytest.mark.xdist_group("shown")
def test_nothing_that_is_shown_acts(shown: tuple[Path, Said], say: Callable[..., Said]) -> None:
    folder, _ = shown
    page = (folder / "report.html").read_text()
    shown_html = "".join(part.partition("</div>")[0] for part in page.split('<div class="output">')[1:])
    assert not any(
        word in shown_html for word in ("<meta", "<style", "<form", "<base", "<button", "evil", "margin-top", "\u202e")
    )
    assert "color:rgb(1, 2, 3)" in shown_html
    assert "\\u202edias" in shown_html
    for command in (("list",), ("show", "latest"), ("verify",)):
        said = say("records", *command, "--records", folder.parents[1])
        assert (said.code, command == ("verify",) or "[/x]" in said.out) == (0, True)


@pytest.mark.xdist_group("shown")
def test_a_note_and_a_ping_that_are_sent_on_are_not_delivered(shown: tuple[Path, Said]) -> None:
    _, ran = shown
    assert "was not delivered to the webhook: it was sent on to another address (302)" in ran.err
    assert "The ping was not taken: 302" in ran.err


# A store that somebody changed. Each says which file `verify` names.
@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("kept") / "store")
    for _ in range(3):
        make_record(store)
    return store


def _forge(store: Path, record: Path) -> None:
    (store / "INC-9").mkdir()
    shutil.copytree(record, store / "INC-9" / record.name)
    _say_of(headline="FORGED")(store, store / "INC-9" / record.name)


def _forge_another(store: Path, record: Path) -> None:
    _forge(store, record)
    forged = store / "INC-9" / record.name
    forged.rename(forged.with_name(forged.name.replace(forged.name[-8:], "0badc0de")))


def _say_of(**other: Any) -> Callable[[Path, Path], None]:
    """Change what a manifest says, and seal it again."""

    def change(_store: Path, record: Path) -> None:
        said = {**json.loads((record / "manifest.json").read_bytes()), **other}
        said.pop("seal")
        (record / "manifest.json").write_text(json.dumps({**said, "seal": hash_of_value(said)}))

    return change


def _misname(store: Path, record: Path) -> None:
    shutil.copytree(record, os.fsdecode(os.fsencode(store / "INC-1") + b"/20261129T000000Z-\xff-0badc0de"))


OTHER_NOTEBOOK = '{"cells": [5]}'
NO_FOLDER = b'{"run_id": "a", "folder": "a\\ud800/b", "sha256": ""}'


def _in_place(name: str, put: Callable[[Path], object]) -> Callable[[Path, Path], None]:
    def change(store: Path, record: Path) -> None:
        path = store / CHAIN if name == CHAIN else record / name
        path.unlink()
        put(path)

    return change


def _listed(line: bytes) -> Callable[[Path, Path], None]:
    def change(store: Path, _record: Path) -> None:
        with (store / CHAIN).open("ab") as chain:
            chain.write(line + b"\n")

    return change


TAMPERED: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a forged copy in another incident": (_forge, "INC-9/"),
    "a forged copy under another id": (_forge_another, "INC-9/"),
    "a manifest that is gone": (lambda _, record: (record / "manifest.json").unlink(), "manifest.json"),
    "a byte that is no text in the chain": (_listed(b"\xff"), CHAIN),
    "a folder of the chain that none can have": (_listed(NO_FOLDER), CHAIN),
    "a folder of the chain elsewhere": (_listed(b'{"run_id": "a", "folder": "../../etc", "sha256": ""}'), CHAIN),
    "a pipe as the chain": (_in_place(CHAIN, os.mkfifo), CHAIN),
    "a link to itself as the chain": (_in_place(CHAIN, lambda path: path.symlink_to(path.name)), CHAIN),
    "what never ends as the chain": (_in_place(CHAIN, lambda path: path.symlink_to("/dev/zero")), CHAIN),
    "a pipe as the notebook": (_in_place("record.ipynb", os.mkfifo), "record.ipynb"),
    "another notebook": (
        _in_place("record.ipynb", lambda path: path.write_text(OTHER_NOTEBOOK)),
        "record.ipynb",
    ),
    "a pipe as the events": (_in_place("events.jsonl", os.mkfifo), "events.jsonl"),
    "a moment that is none in UTC": (_say_of(started="0001-01-01T00:00:00+14:00"), "manifest.json"),
    "a moment after all others": (_say_of(ended="9999-12-31T23:59:59-14:00"), "manifest.json"),
    "a time without end": (_say_of(seconds=1e300), "manifest.json"),
    "a headline that acts": (_say_of(headline="\x1b[2J\u202e\x9b"), CHAIN),
    "a person who acts": (_say_of(operator={"os_user": "\x1b[2J", "host": "\x9b"}), CHAIN),
    "a file outside of the record": (_say_of(files={"../x": {"sha256": "0" * 64, "bytes": 1}}), "../x"),
    "a name that is no text": (_misname, CHAIN),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_was_tampered_with_is_named_and_stops_nothing(
    name: str, kept: Store, tmp_path: Path, say: Callable[..., Said]
) -> None:
    tamper, file = TAMPERED[name]
    store = tmp_path / "store"
    shutil.copytree(kept.root, store)
    folders = [store / each for each in kept.names()]
    tamper(store, folders[1])
    said = say("records", "verify", "--records", store)
    assert (said.code, file in said.out) == (3, True), said.out
    listed = say("records", "list", "--records", store)
    assert (listed.code, listed.out.count("INC-1") >= 3) == (0, True)
    ids = [folder.name[-8:] for folder in folders]
    for command in (["list", "--json"], ["show", ids[1]], ["diff", *ids[:2]], ["diff", *ids[:2], "--json"]):
        assert say("records", *command, "--records", store).code in (0, 1, 2)
    assert say("records", "verify", ids[0], "--records", store).code in (0, 3)
    assert say("records", "report", "--index", "--records", store).code == 0
    assert say("incident", "INC-1", "--records", store).code == 0


def test_after_a_bad_byte_in_the_chain_runs_go_on(kept: Store, tmp_path: Path, say: Callable[..., Said]) -> None:
    store = tmp_path / "store"
    shutil.copytree(kept.root, store)
    _listed(b"\xff")(store, store)
    assert say("run", write_notebook(tmp_path / "n.ipynb", "1"), "--records", store).code == 0
    verified = say("records", "verify", "--records", store)
    assert verified.out.splitlines() == [f"{CHAIN}: line 4 is damaged", "Records checked: 4. Findings: 1."]


def test_a_run_that_is_killed_after_its_proof_is_clean(tmp_path: Path, say: Callable[..., Said]) -> None:
    cell = (
        "import os, pathlib, signal, time\n"
        "pathlib.Path(os.environ['RUNBOOK_EVENTS']).with_name('proof.json').write_text('{}')\n"
        "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(20)"
    )
    notebook = write_notebook(tmp_path / "n.ipynb", cell)
    assert run_cli("run", notebook, "--records", "store", cwd=tmp_path).returncode == -9
    store = tmp_path / "store"
    assert say("records", "verify", "--records", store).code == 0
    assert "orphaned" in say("records", "list", "--records", store).out
    assert say("records", "close", "--records", store).code == 0
    assert say("records", "verify", "--records", store).code == 0


@pytest.mark.parametrize(("put", "why"), [(Path.mkdir, "Is a directory"), (os.mkfifo, "not seekable")])
def test_a_run_says_that_its_record_could_not_be_listed(
    put: Callable[[Path], object], why: str, tmp_path: Path, say: Callable[..., Said]
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    put(store / CHAIN)
    said = say("run", write_notebook(tmp_path / "n.ipynb", "1"), "--records", store)
    assert said.code == 9
    assert f"THE RECORD IS NOT COMPLETE: {CHAIN}: " in said.err
    assert why in said.err
    assert json.loads(say("records", "show", "latest", "--records", store, "--json").out)["outcome"] == "succeeded"
