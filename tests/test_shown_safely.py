"""What a notebook, a tag, a table's name or an error says is text wherever it is shown: it acts nowhere."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.display.table import Table
from runbook_lib.plain import for_chat, plain
from runbook_lib.records.harmless import drawing, harmless
from runbook_lib.records.notes import Notes
from runbook_lib.records.store import Store
from runbook_lib.schemas.drop.plan import DropPlan
from tests.records_support import make_record, run_cli, write_notebook

ESCAPES = "\x1b[2J\x1b]8;;http://evil.example\x07a\x1b[8mb\x9b31m\rc\u202ed\x08"


def test_a_sign_that_acts_on_a_terminal_is_written_out() -> None:
    shown = plain(f"name {ESCAPES}\tand\nmore, 障害 é")
    assert not set(shown) & set("\x1b\x07\x9b\r\u202e\x08")
    assert "\\x1b[2J" in shown
    assert shown.endswith("\tand\nmore, 障害 é")
    assert "\x1b" not in str(Table(title="", columns=("table",), rows=((ESCAPES,),)))


@pytest.mark.parametrize("cluster", ["[/x]", "[bold red]a[/bold red]", "[link=http://evil.example]b[/link]", ESCAPES])
def test_brackets_and_escape_codes_in_a_record_are_shown_as_they_are(cluster: str, tmp_path: Path) -> None:
    result = {"notebook": "n", "outcome": "succeeded", "headline": f"done with {cluster}", "cluster": cluster}
    make_record(Store(tmp_path / "store"), parameters={"cluster": cluster}, result=result | {"version": 1})
    for command in (("list",), ("show", "latest"), ("verify",)):
        ran = CliRunner().invoke(cli, ["records", *command, "--records", str(tmp_path / "store")])
        assert ran.exit_code == 0, ran.output
        assert not set(ran.output) & set("\x1b\x9b\x07")
    if "\x1b" not in cluster:
        shown = CliRunner().invoke(cli, ["records", "show", "latest", "--records", str(tmp_path / "store")])
        assert cluster in shown.output


HOSTILE = (
    '<meta http-equiv="refresh" content="0;url=http://evil.example">',
    "<style>header{display:none}</style>",
    "<form action='http://evil.example'><input name=a><button>Approve</button></form>",
    "<base href='http://evil.example/'>",
    "<p style='position:fixed;top:0;left:0;background:url(http://evil.example/x)' onclick='x()'>over</p>",
    "<div style='margin-top:-900px'>over</div>",
    "<img src='http://evil.example/a.png' onerror='x()'>",
    "<iframe src='http://evil.example'></iframe>",
    "<object data='http://evil.example'></object>",
    "<svg onload='x()'><script>x()</script></svg>",
    "<math><mtext><style><img src=x onerror=x()></style></mtext></math>",
    "<a href='java\nscript:x()'>go</a>",
    "<script>location='http://evil.example'</script>",
    "<!--[if IE]><script>x()</script><![endif]-->",
    "</div></section></main><header class='good'><p class='sign'>Succeeded</p></header>",
    "<link rel=stylesheet href='http://evil.example/x.css'>",
    "<textarea><img src=x onerror=x()></textarea>",
    "<table background='http://evil.example/x'><tr><td>kept</td></tr></table>",
    "<p title='\"><script>x()</script>'>kept</p>",
    "<scr<script>ipt>x()</scr</script>ipt>",
)


@pytest.mark.parametrize("html", HOSTILE)
def test_of_html_only_what_is_listed_stays(html: str) -> None:
    written = harmless(f"before {html} after")
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", written))
    assert tags <= {"p", "div", "img", "a", "table", "tr", "td"}
    assert not re.search(r"<[^>]*\b(?:on\w+|action|class|background)\s*=", written)
    assert not re.search(r"(?i)position|url\(|evil\.example|javascript|margin-top", re.sub(r">[^<]*<", "><", written))
    assert written.count("<div") == written.count("</div")
    assert harmless(written) == written


def test_our_own_tables_and_pictures_stay_whole() -> None:
    shown = Table(
        title="Tables & rows", columns=("table", "rows"), rows=(("a<b>", 12),), note="a note", folded=True
    ).html()
    assert re.sub(r"<[^>]+>", "", harmless(shown)) == re.sub(r"<[^>]+>", "", shown)
    assert harmless(shown).count("border-bottom:1px solid rgba(128,128,128,.25)") == 2
    assert 'src="data:image/png;base64,AAAA"' in harmless('<img src="data:image/png;base64,AAAA">')
    assert drawing("<svg onload='x()'></svg>").startswith('<img alt="figure" src="data:image/svg+xml;base64,')


@pytest.mark.thorough
def test_a_report_forbids_and_holds_nothing_that_acts(tmp_path: Path) -> None:
    cells = [f"from IPython.display import HTML\nHTML({html!r})" for html in HOSTILE]
    notebook = write_notebook(tmp_path / "hostile.ipynb", *cells)
    ran = run_cli("run", notebook, "--records", "store", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (page,) = (path.read_text() for path in (tmp_path / "store").glob("*/*/report.html"))
    shown = re.sub(r"<pre class=\"code\">.*?</pre>|<summary>.*?</summary>", "", page, flags=re.DOTALL)
    assert shown.count("<style") == shown.count("<header") == 1
    assert not re.search(r"<(?:script|form|base|iframe|object|link|svg|input|button)\b", shown)
    assert shown.count("http-equiv") == 1
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'"):
        assert rule in page


def test_a_note_in_a_chat_calls_nobody_and_links_nowhere() -> None:
    said: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.handle_request, daemon=True).start()
    notes = Notes([f"http://127.0.0.1:{server.server_port}/hook"])
    notes.send("<!channel> failed", {"table": "@here [go](http://evil.example) www.evil.example \x1b[2J"})
    notes.close()
    server.server_close()
    text = json.loads(said[0])["text"]
    assert not re.search(r"<|@\w|\]\(|://|www\.|\x1b", text)
    assert "&lt;!channel&gt; failed" in text
    assert for_chat("restore_to_timestamp of staging") == "restore_to_timestamp of staging"


def test_the_plan_of_a_drop_is_of_one_cluster_of_one_account_and_region() -> None:
    def plan(server: str) -> DropPlan:
        what = {"schema": "old", "tables": ("a",), "views": (), "code": (), "filled": (), "proofs": ()}
        return DropPlan(server=server, ddl=("CREATE",), way_back="", statements=("DROP DATABASE `old`",), **what)

    arn = "arn:aws:rds:{}:{}:cluster:staging {}"
    places = [
        ("ap-northeast-1", "1", "cluster-A"),
        ("ap-northeast-1", "2", "cluster-A"),
        ("eu-west-1", "1", "cluster-A"),
    ]
    places.append(("ap-northeast-1", "1", "cluster-B"))
    assert len({plan(arn.format(*place)).id for place in places}) == 4
    source = json.loads((Path(__file__).parents[1] / "notebooks" / "audit_schemas.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in source["cells"] if "propose_drop(" in "".join(cell["source"])]
    assert len(cells) == 1
    assert "cluster=run.target.unlike_any_other" in cells[0]
