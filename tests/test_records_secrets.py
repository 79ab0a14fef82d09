"""Secrets planted in every place a notebook can show them are in no file of its record, nor on its terminal."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from runbook_lib.errors import InputRefused
from runbook_lib.records.parameters import Written
from runbook_lib.records.run import run_notebook
from runbook_lib.records.scanning import scan
from runbook_lib.records.store import Store
from tests.records_support import run_cli, write_notebook

KNOWN = "Plant3d-by-the-library & <co>"
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "FwoGZXIvYXdzE" + "Zz9/" * 30
URL_PASSWORD = "sw0rdf1sh"
KEY_BODY = "MIIEpQIBAAKCAQEA7"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJl"
PLANTED = (KNOWN, ACCESS_KEY, SECRET_KEY, TOKEN, URL_PASSWORD, KEY_BODY, JWT)
# Pieces by which a part of a planted value would show, wherever it was cut.
TRACES = (*PLANTED, "Plant3d-by", "library &amp; &lt;co", "Plant3d-by-the-library%20", "IOSFODNN7", "eyJzdWIiOiJwbGFu")

CELLS = (
    # Taken from the environment, so that the notebook's source does not hold them.
    "import base64, json, logging, os, sys, time\nfrom runbook_lib import events, redaction\n"
    "values = json.loads(base64.b64decode(os.environ['PLANTED']))\nknown, key_id, key, token, url, body, jwt = values\n"
    "redaction.remember(known, kind='database password')\nNone",
    "print('printed', known)\nprint(known, file=sys.stderr)",
    "for piece in (known[:9], known[9:15], known[15:]):\n"
    "    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.05)",
    "print('key', key_id[:6], end='', flush=True)\nos.write(1, b'')\nsys.stdout.write(key_id[6:] + '\\n')",
    "from IPython.display import HTML, Markdown, display\ndisplay(HTML(f'<b>{known}</b>'), Markdown(known))\n"
    "handle = display({'text/plain': 'x'}, raw=True, display_id=True)\nhandle.update({'text/plain': known}, raw=True)",
    "known",
    "logging.basicConfig(level=logging.INFO)\nlogging.getLogger('runbook_lib').warning('signing in with %s', known)",
    "print(f'mysql://root:{url}@db/staging')\nprint('https://b/x?X-Amz-Security-Token=' + token)",
    "import html, urllib.parse\nprint(html.escape(known), urllib.parse.quote(known))",
    "import pandas\npandas.DataFrame({'user': ['root', 'load'], 'value': [known, key]})",
    "print('-----BEGIN RSA PRIVATE KEY-----')\nsys.stdout.flush(); time.sleep(0.05)\nprint(body)\n"
    "print('-----END RSA PRIVATE KEY-----')",
    "print({'jwt': jwt, 'SessionToken': token})\nsys.__stderr__.write(known + '\\n')",
    "events.announce('sign-in', account='root', value=known, url=f'mysql://root:{url}@db')",
    "import ipywidgets\nipywidgets.Text(value=known)",
    "raise RuntimeError(f'refused for {known} and {key}')",
)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    import base64
    import json

    monkeypatch.setenv("PLANTED", base64.b64encode(json.dumps(PLANTED).encode()).decode())


def assert_clean(folder: Path) -> None:
    """Every byte of every file."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 4
    for path in files:
        content = path.read_bytes().decode(errors="replace")
        for trace in TRACES:
            assert trace not in content, f"{trace[:12]}… stands in {path.name}"
    assert scan([folder]) == ()


@pytest.mark.usefixtures("planted")
def test_planted_secrets_are_in_no_file_of_the_record(tmp_path: Path) -> None:
    """Printed, displayed, updated, returned, logged, in a URL, split, in a table, in a widget, in a traceback."""
    notebook = write_notebook(tmp_path / "leaky.ipynb", *CELLS)
    ran = run_cli("run", notebook, "--records", "store", "--json", cwd=tmp_path)
    assert ran.returncode == 5, ran.stderr
    assert_clean(tmp_path / "store")
    for trace in TRACES:
        assert trace not in ran.stdout + ran.stderr
    (record,) = (tmp_path / "store").glob("*/*/record.ipynb")
    text = record.read_text()
    for kind in ("database password", "AWS access key", "AWS secret key", "private key", "JWT", "password in a URL"):
        assert f"[removed: {kind}]" in text


@pytest.mark.thorough
@pytest.mark.usefixtures("planted")
def test_papermills_own_output_and_log_are_clean_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With our engine, what papermill writes, logs, tees and raises holds no secret either."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "store"))
    notebook = write_notebook(tmp_path / "leaky.ipynb", *CELLS)
    teed = io.StringIO()
    with caplog.at_level(logging.DEBUG), pytest.raises(PapermillExecutionError) as raised:
        execute_notebook(
            str(notebook),
            str(tmp_path / "out.ipynb"),
            engine_name="runbook",
            progress_bar=False,
            log_output=True,
            stdout_file=teed,
            stderr_file=teed,
        )
    assert_clean(tmp_path / "store")
    said = (tmp_path / "out.ipynb").read_text() + teed.getvalue() + caplog.text + str(raised.value)
    for trace in TRACES:
        assert trace not in said
    assert "printed [removed: database password]" in teed.getvalue()


@pytest.mark.parametrize(
    ("name", "value"),
    [("timestamp", ACCESS_KEY), ("timestamp", f"mysql://root:{URL_PASSWORD}@db"), ("password", "anything")],
)
def test_a_parameter_that_looks_like_a_secret_is_refused_before_a_kernel_starts(
    tmp_path: Path, name: str, value: str
) -> None:
    parameters = 'timestamp: str = ""\npassword: str = ""'
    notebook = write_notebook(tmp_path / "n.ipynb", "1", parameters=parameters)
    with pytest.raises(InputRefused, match="looks like a secret") as refused:
        run_notebook(notebook, parameters={name: Written(text=value)}, store=Store(tmp_path / "store"))
    assert value not in str(refused.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("notebook", "given"),
    [
        ("n", ("--incident", f"INC {ACCESS_KEY}")),
        ("n", ("--incident", "INC-7 password=Tr0ub4dorNAME")),
        ("n", ("--approver", f"ann {ACCESS_KEY}")),
        (f"run-{ACCESS_KEY}", ()),
        ("mysql --password=Tr0ub4dorNAME", ()),
    ],
)
def test_a_name_that_holds_a_secret_is_refused_before_anything_is_named_by_it(
    notebook: str, given: tuple[str, ...], tmp_path: Path
) -> None:
    path = write_notebook(tmp_path / f"{notebook}.ipynb", "x = 1")
    ran = run_cli("run", path, "--records", tmp_path / "store", *given, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert "looks like a secret" in ran.stderr
    assert not re.search(f"{ACCESS_KEY}|Tr0ub4dor", ran.stderr)
    assert not list((tmp_path / "store").glob("*/*"))


def test_scan_finds_secrets_in_old_records_without_showing_them(tmp_path: Path) -> None:
    (tmp_path / "old.ipynb").write_text(f'{{"text": "a\\n",\n"b": "password=\\"{URL_PASSWORD}\\""}}\n{ACCESS_KEY}')
    ran = run_cli("records", "scan", tmp_path, cwd=tmp_path)
    assert ran.returncode == 3
    assert "old.ipynb:2: password" in ran.stdout
    assert "old.ipynb:3: AWS access key" in ran.stdout
    assert URL_PASSWORD not in ran.stdout
    assert run_cli("records", "scan", "--records", tmp_path / "none", cwd=tmp_path).returncode == 0
