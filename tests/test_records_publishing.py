"""Publishing comes after the work: whatever S3 does, the work is done, and the exit code says what is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends

from runbook_lib.errors import InputRefused, NotPublished
from runbook_lib.records.notes import Notes
from runbook_lib.records.publishing import Destination, publish, published_to
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import FILES, Store
from tests.records_support import make_record, run_cli, write_notebook

BUCKET = "s3://records/drills"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "ap-northeast-1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """S3 as moto plays it, with a bucket that locks its objects."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/reset", data=b"").close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        client = boto3.client("s3", region_name="ap-northeast-1", endpoint_url=f"http://127.0.0.1:{port}")
        client.create_bucket(
            Bucket="records",
            CreateBucketConfiguration={"LocationConstraint": "ap-northeast-1"},
            ObjectLockEnabledForBucket=True,
        )
        yield client
    finally:
        server.stop()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None], bodies: list[bytes] | None = None) -> Iterator[str]:
    """A server whose every answer is the one given; it keeps what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if bodies is not None:
                bodies.append(body)
            answer(self)

        do_POST = do_PUT  # noqa: N815 # the name http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_every_file_arrives_with_checksum_type_encryption_and_lock(store: Store, s3: Any) -> None:
    folder = make_record(store)
    to = Destination(address=BUCKET, kms_key="alias/records", retain_days=30)
    address = publish(store, folder, to=to)
    assert address == f"{BUCKET}/INC-1/{folder.name}"
    for name in FILES:
        there = s3.get_object(Bucket="records", Key=f"drills/INC-1/{folder.name}/{name}", ChecksumMode="ENABLED")
        content = (folder / name).read_bytes()
        assert there["Body"].read() == content
        assert there["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert there["ServerSideEncryption"] == "aws:kms"
        assert there["ObjectLockMode"] == "COMPLIANCE"
    assert there["ContentType"].startswith("text/html")
    assert published_to(store, folder) == address


def test_the_manifest_goes_last(store: Store, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record without one in the bucket is known to be in part; going on later finishes it."""
    folder = make_record(store)
    (folder / "report.html").rename(folder / "aside")
    with pytest.raises(NotPublished, match="cannot be read"):
        publish(store, folder, to=Destination(address=BUCKET))
    keys = {entry["Key"].rpartition("/")[2] for entry in s3.list_objects_v2(Bucket="records").get("Contents", ())}
    assert keys == {"events.jsonl", "record.ipynb"}
    (folder / "aside").rename(folder / "report.html")
    publish(store, folder, to=Destination(address=BUCKET))
    assert s3.list_objects_v2(Bucket="records")["KeyCount"] == len(FILES)


def test_what_is_there_already_is_never_written_over(store: Store, s3: Any) -> None:
    folder = make_record(store)
    key = f"drills/INC-1/{folder.name}/events.jsonl"
    s3.put_object(Bucket="records", Key=key, Body=b"another")
    with pytest.raises(NotPublished, match="exists already"):
        publish(store, folder, to=Destination(address=BUCKET))
    assert s3.get_object(Bucket="records", Key=key)["Body"].read() == b"another"


def test_a_changed_record_is_not_published(store: Store, s3: Any) -> None:
    folder = make_record(store)
    (folder / "report.html").write_text("nicer")
    with pytest.raises(NotPublished, match=r"report.html was changed"):
        publish(store, folder, to=Destination(address=BUCKET))


def test_denied_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(handler: BaseHTTPRequestHandler) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>No.</Message></Error>"
        handler.send_response(403)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    with answering(deny) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(NotPublished, match="does not allow s3:PutObject"):
            publish(store, make_record(store), to=Destination(address=BUCKET))


def test_slow_is_not_waited_for_longer_than_its_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    with answering(lambda _: released.wait(60) and None) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(NotPublished, match=r"did not take the record in 0.5 s"):
            publish(store, make_record(store), to=Destination(address=BUCKET, limit_seconds=0.5))
        released.set()


@pytest.mark.parametrize("address", ["records", "s3://", "s3://Not_A_Bucket/x", "https://x"])
def test_a_place_that_is_none_is_refused_before_the_run(address: str) -> None:
    with pytest.raises(InputRefused, match="no place to publish"):
        Destination(address=address)


@pytest.mark.thorough
def test_a_run_whose_s3_is_down_is_done_and_published_later(tmp_path: Path, s3: Any) -> None:
    """Exit code 9, a loud line, a complete local record; `records publish` finishes it, once."""
    notebook = write_notebook(tmp_path / "work.ipynb", "print('done')")
    down = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{closed_port()}"}
    options = ("--records", tmp_path / "store", "--publish", BUCKET, "--json")
    ran = run_cli("run", notebook, *options, cwd=tmp_path, environment=down)
    assert ran.returncode == 9, ran.stderr
    assert "THE RECORD IS NOT COMPLETE" in ran.stderr
    told = json.loads(ran.stdout)
    assert told["outcome"] == "succeeded"
    assert f"runbook records publish {told['run_id']}" in told["unpublished"]
    assert {path.name for path in Path(told["folder"]).iterdir()} == set(FILES)

    still_down = run_cli("records", "publish", "--records", tmp_path / "store", cwd=tmp_path, environment=down)
    assert still_down.returncode == 9
    later = run_cli("records", "publish", "--records", tmp_path / "store", cwd=tmp_path)
    assert later.returncode == 0, later.stderr
    assert s3.list_objects_v2(Bucket="records")["KeyCount"] == len(FILES)
    again = run_cli("records", "publish", "--records", tmp_path / "store", cwd=tmp_path)
    assert "Every record that can be published, and was to be, is." in again.stdout


def test_a_note_goes_to_an_sns_topic(s3: Any) -> None:
    sns = boto3.client("sns", region_name="ap-northeast-1", endpoint_url=s3.meta.endpoint_url)
    topic = sns.create_topic(Name="recovery")["TopicArn"]
    notes = Notes([topic])
    notes.send("restore ended: failed", {"incident": "INC-1", "missing": ""})
    notes.close()
    ((_, message, subject, *_),) = sns_backends["123456789012"]["ap-northeast-1"].topics[topic].sent_notifications
    assert (message, subject) == ("restore ended: failed\nincident: INC-1", "restore ended: failed")


def test_notes_are_sent_at_start_and_end_and_a_dead_address_does_not_matter(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def take(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with answering(take, bodies) as url:
        cell = (
            "from runbook_lib.display.result import Result\n"
            "Result(notebook='restore', outcome='planned', headline='Ready.', plan_id='p-77')"
        )
        notebook = write_notebook(tmp_path / "plan.ipynb", cell)
        record = run_notebook(
            notebook,
            parameters={},
            store=Store(tmp_path / "store"),
            notify=(url, f"http://127.0.0.1:{closed_port()}"),
        )
    assert record.exit_code == 0
    notes = [json.loads(body) for body in bodies]
    assert sorted(note["text"].splitlines()[0] for note in notes) == ["plan begins", "plan waits for approval"]
    assert any("approve with: -p approve p-77" in note["text"] for note in notes)
    assert "127.0.0.1" not in (record.folder / "events.jsonl").read_text()


@pytest.mark.parametrize("answer", [302, 307, 404, 500])
def test_a_note_that_is_sent_on_or_refused_counts_as_not_delivered(
    answer: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A redirect is not followed: the address behind it would be asked without the note, and 200 would mean nothing."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append("POST")
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answer)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            asked.append("GET")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        notes = Notes([f"http://127.0.0.1:{server.server_port}/hook"])
        notes.send("restore ended: failed", {"incident": "INC-1"})
        notes.close()
        server.shutdown()
    assert asked == ["POST"]
    assert "was not delivered to the webhook" in caplog.text
