"""The watch out to where people look: the printed alarms, the command line with its sinks, notes and pings."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from cfnlint.api import lint_all
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.errors import InputRefused
from runbook_lib.records.notes import About, Notes
from runbook_lib.rehearsal.control import ControlPlane
from runbook_lib.watch.alarms import Wanted, alarms
from runbook_lib.watch.declared import CHECKS
from tests.control_support import stand_in, until
from tests.records_support import run_cli, runbook
from tests.test_records_publishing import closed_port
from tests.watching import CHOICES, World, failed_load, watch_world

ROOT = Path(__file__).parents[1]


def printed(form: str, *more: str) -> str:
    done = CliRunner().invoke(
        cli, ["alarms", "--format", form, "--region", "ap-northeast-1", *more], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


SCOPES = [
    [],
    ["--cluster", "prod", "--job", "daily_etl"],
    ["--cluster", "prod", "--leave-out", "drill,quota", "--every", "24h"],
]


@pytest.mark.parametrize("more", SCOPES, ids=["region", "cluster", "left out"])
def test_both_templates_are_valid_and_say_the_same(more: list[str]) -> None:
    template = printed("cloudformation", *more)
    found = lint_all(template)
    assert [each for each in found if each.rule.severity != "informational"] == []
    assert "&id" not in template
    resources = yaml.safe_load(template)["Resources"]
    made = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    blocks = hcl_blocks(printed("terraform", *more))
    hcl = [values for kind, _, values in blocks if kind == "aws_cloudwatch_metric_alarm"]
    assert [each["AlarmName"] for each in made] == [each["alarm_name"] for each in hcl]
    for ours, theirs in zip(made, hcl, strict=True):
        for name, value in theirs.items():
            camel = "".join(part.capitalize() for part in name.split("_")).replace("Ok", "OK")
            if name not in ("dimensions", "alarm_actions", "ok_actions", "alarm_name"):
                assert ours[camel] == value, name
        assert theirs["treat_missing_data"] == "breaching"
        assert "runbook run watch_backups" in theirs["alarm_description"]
        assert len(theirs["alarm_description"]) <= 1024
    kinds = [kind for kind, _, _ in blocks]
    assert {"aws_sns_topic", "aws_sns_topic_policy", "aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"} < {
        *kinds
    }


def hcl_blocks(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return type, name and values of each resource, as the parser reads them."""
    found = []
    for block in hcl2.loads(text)["resource"]:
        ((kind, named),) = [(key, value) for key, value in block.items() if not key.startswith("__")]
        ((name, values),) = [(key, value) for key, value in named.items() if not key.startswith("__")]
        plain = {key: _unquoted(value) for key, value in values.items() if not key.startswith("__")}
        found.append((_unquoted(kind), _unquoted(name), plain))
    return found


def _unquoted(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and re.fullmatch(r'".*"', value, re.DOTALL) else value


@pytest.mark.parametrize("every", ["30s", "8h 5", "200h"])
def test_an_interval_that_no_alarm_can_have_is_refused(every: str) -> None:
    done = CliRunner().invoke(cli, ["alarms", "--region", "ap-northeast-1", "--every", every])
    assert done.exit_code != 0


def test_what_cannot_be_left_out_is_refused() -> None:
    done = CliRunner().invoke(cli, ["alarms", "--region", "ap-northeast-1", "--leave-out", "drills"])
    assert isinstance(done.exception, InputRefused)


def test_what_would_be_an_expression_of_terraforms_is_text() -> None:
    text = printed("terraform", "--cluster", "p${path.module}%{if}")
    assert "$${path.module}%%{if}" in text
    assert not re.search(r"(?<!\$)\$\{path", text)


def test_the_template_is_made_in_the_stand_in() -> None:
    """moto's CloudFormation knows no alarms: each resource is made by its own call, with the template's properties."""
    with stand_in() as stand:
        arn = deploy(
            stand.plane, stand, yaml.safe_load(printed("cloudformation", "--cluster", "prod", "--job", "daily_etl"))
        )
        found = stand.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
        wanted = Wanted(region="ap-northeast-1", cluster="prod")
        assert {alarm["AlarmName"] for alarm in found} == {alarm.name("prod") for alarm in alarms(wanted)}
        assert {alarm["StateValue"] for alarm in found} == {"ALARM"}, "nothing has ever come"
        assert {tuple(alarm["AlarmActions"]) for alarm in found} == {(arn,)}
        (rule,) = stand.client("events").list_rules()["Rules"]
        pattern = json.loads(rule["EventPattern"])
        assert pattern["detail"] == {"state": ["FAILED", "TIMEOUT", "STOPPED", "ERROR"], "jobName": ["daily_etl"]}


def deploy(plane: ControlPlane, stand: Any, template: dict[str, Any]) -> str:
    resources = template["Resources"]
    arn = stand.client("sns").create_topic(Name="recovery")["TopicArn"]

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            ref = {"Topic": arn, "AWS::AccountId": plane.account}
            return (
                ref[value["Ref"]] if value.keys() == {"Ref"} else {key: filled(inner) for key, inner in value.items()}
            )
        return [filled(inner) for inner in value] if isinstance(value, list) else value

    for name, resource in resources.items():
        asked = filled(resource.get("Properties", {}))
        match resource["Type"]:
            case "AWS::CloudWatch::Alarm":
                stand.client("cloudwatch").put_metric_alarm(**asked)
            case "AWS::Events::Rule":
                rule = {"Name": name, "EventPattern": json.dumps(asked["EventPattern"]), "State": asked["State"]}
                stand.client("events").put_rule(**rule, Description=asked["Description"])
                stand.client("events").put_targets(Rule=name, Targets=asked["Targets"])
            case "AWS::SNS::TopicPolicy":
                policy = json.dumps(asked["PolicyDocument"])
                stand.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
            case kind:
                assert kind == "AWS::SNS::Topic"
    return str(arn)


# ---- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with watch_world(tmp_path_factory.mktemp("watch-out")) as made:
        yield made


@contextmanager
def listening(answer: int = 200) -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A web service that notes what it is asked, and answers so."""
    asked: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"] or 0))))
            self.send_response(answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


def start(world: World, *more: str) -> subprocess.Popen[str]:
    """Start the notebook as it stands, by the command line."""
    parameters = {**CHOICES, "cluster": "prod", "contract": str(world.contract), "timestamp": "latest"}
    given = [word for name, value in parameters.items() for word in ("-p", name, value)]
    notebook, records = ROOT / "notebooks" / "watch_backups.ipynb", ["--records", world.store.root, "--json"]
    return runbook(
        "run", notebook, *given, *records, *more, cwd=world.folder, environment=world.stand.plane.environment()
    )


def watch(world: World, *more: str) -> Any:
    """Run it to its end."""
    process = start(world, *more)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(more, process.returncode, out, err)


def sinks(url: str) -> list[str]:
    return ["--ping", f"{url}/check", "--notify-when", "trouble", "--notify", f"{url}/hook"]


@pytest.mark.thorough
def test_a_watch_that_is_well_ends_with_0_and_its_signs_of_life(world: World) -> None:
    file = world.folder / "well.prom"
    with listening() as (url, asked):
        done = watch(world, "--metrics", str(file), "--cloudwatch", *sinks(url))
    assert done.returncode == 0, done.stderr
    assert "all 20 checks are ok" in json.loads(done.stdout)["headline"]
    (begun, _), (ended, said) = asked
    assert re.fullmatch(r"/check/start\?rid=[0-9a-f-]{36}", begun)
    assert ended == begun.replace("start", "0")
    assert b"all 20 checks are ok" in said
    assert len(re.findall(r"^recovery_watch_\w+_state\{.*\} 0$", file.read_text(), re.MULTILINE)) == len(CHECKS)
    assert in_alarm(world) == set()


@pytest.mark.thorough
def test_a_failed_load_ends_with_3_rings_its_alarm_and_says_so(world: World) -> None:
    file = world.folder / "failed.prom"
    with failed_load(world), listening() as (url, asked):
        done = watch(world, "--metrics", str(file), "--cloudwatch", *sinks(url))
    assert done.returncode == 3, done.stderr
    assert "bad: load" in json.loads(done.stdout)["headline"]
    assert sorted(path.partition("?")[0] for path, _ in asked) == ["/check/3", "/check/start", "/hook"]
    assert 'recovery_watch_load_state{watch="prod",cluster=""} 3' in file.read_text()
    assert 'recovery_run_exit_code{watch="prod",notebook="watch_backups"} 3' in file.read_text()
    assert in_alarm(world) == {"Load"}


def in_alarm(world: World) -> set[str]:
    client = world.stand.client("cloudwatch")
    if not client.describe_alarms()["MetricAlarms"]:
        deploy(world.stand.plane, world.stand, yaml.safe_load(printed("cloudformation", "--cluster", "prod")))
    found = client.describe_alarms(MaxRecords=100)["MetricAlarms"]
    return {alarm["MetricName"] for alarm in found if alarm["StateValue"] == "ALARM"}


@pytest.mark.thorough
def test_a_runner_that_is_killed_in_the_middle_is_an_alarm_by_its_deadline(world: World) -> None:
    """It should have sent its beginning and nothing else, so that the heartbeat is missed."""
    world.stand.plane.alarms.ahead = timedelta(0)
    with listening() as (url, asked):
        process = start(world, "--cloudwatch", *sinks(url))
        until(lambda: bool(asked) or process.poll() is not None, seconds=60)
        process.kill()
        process.communicate()
    assert [path.partition("?")[0] for path, _ in asked] == ["/check/start"]
    try:
        world.stand.plane.alarms.ahead = timedelta(hours=2, minutes=1)
        assert "Heartbeat" in in_alarm(world)
    finally:
        world.stand.plane.alarms.ahead = timedelta(0)


@pytest.mark.thorough
def test_with_every_sink_dead_the_exit_code_is_the_same(world: World) -> None:
    dead = f"http://127.0.0.1:{closed_port()}"
    world.stand.plane.faults.deny("cloudwatch:PutMetricData", "sns:Publish")
    try:
        done = watch(
            world, "--metrics", "/nowhere/at/all.prom", "--cloudwatch", "--ping", f"{dead}/check", "--notify",
            f"{dead}/hook", "--notify", f"json://{dead[7:]}/note", "--notify", "arn:aws:sns:ap-northeast-1:1:no",
        )  # fmt: skip
    finally:
        world.stand.plane.faults.clear()
    assert done.returncode == 0, done.stderr
    for lost in (
        "metrics were not written", "cloudwatch:PutMetricData", "ping was not", "webhook", "SNS topic", "to the json",
    ):  # fmt: skip
        assert lost in done.stderr, lost
    assert dead not in done.stdout


@pytest.mark.thorough
def test_a_run_that_is_refused_pings_2_and_leaves_every_check_unknown(world: World) -> None:
    file = world.folder / "refused.prom"
    with listening() as (url, asked):
        done = watch(world, "--metrics", str(file), "--ping", f"{url}/check", "-p", "no_such", "1")
    assert done.returncode == 2
    assert [path.partition("?")[0] for path, _ in asked] == ["/check/start", "/check/2"]
    assert len(re.findall(r"^recovery_watch_\w+_state\{.*\} 2$", file.read_text(), re.MULTILINE)) == len(CHECKS)


@pytest.mark.parametrize("more", [["--ping", "ftp://x"], ["--cloudwatch"]])
def test_signs_that_cannot_be_given_are_refused(more: list[str], tmp_path: Path) -> None:
    done = run_cli("run", ROOT / "notebooks" / "inspect_backups.ipynb", *more, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("Refused: ")


# ---- notes by Apprise ------------------------------------------------------------------------------------------------


def test_a_note_goes_by_apprise_and_what_it_does_not_know_is_refused_without_repeating_it() -> None:
    with listening() as (url, asked):
        notes = Notes([f"json://{url[7:]}/note"])
        notes.send("watch_backups ended: failed", {"headline": "bad: load"}, about=About(what="w", kind="trouble"))
        notes.close()
    ((_, body),) = asked
    note = json.loads(body)
    assert (note["title"], note["type"]) == ("watch_backups ended: failed", "failure")
    assert "headline: bad: load" in note["message"]
    with pytest.raises(InputRefused) as refused:
        Notes(["slackk://TOKEN-7"])
    assert "TOKEN-7" not in str(refused.value)


def test_a_service_of_incidents_gets_one_by_one_key_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should get no word of a beginning, the same key for each bad run, and the end by the first that is well."""
    import requests

    sent: list[dict[str, Any]] = []

    def post(_url: str, *, data: str, **_: Any) -> Any:
        sent.append(json.loads(data))
        answer = requests.Response()
        answer.status_code = 202
        return answer

    monkeypatch.setattr(requests, "post", post)
    pagerduty = "pagerduty://" + "i" * 32 + "@" + "a" * 20
    for kind, what in (("word", "w"), ("trouble", "w"), ("trouble", "w"), ("over", "w"), ("trouble", "other")):
        notes = Notes([pagerduty])
        notes.send("watch", {}, about=About(what=what, kind=kind, only_incidents=kind == "over"))  # type: ignore[arg-type]
        notes.close()
    assert [each["event_action"] for each in sent] == ["trigger", "trigger", "resolve", "trigger"]
    keys = [each["dedup_key"] for each in sent]
    assert keys[0] == keys[1] == keys[2] != keys[3]
