"""No secret gets past the scrubber, whole or in pieces, and ordinary text does."""

from __future__ import annotations

import base64
import html
import itertools
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.redaction import Scrubber, StreamScrubber, looks_secret, secret_name

PASSWORD = "Tr0ub4dor & <3> 'quoted' \"twice\""
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjE" + "Ab0/" * 40
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"


def knowing(*values: str) -> Scrubber:
    scrubber = Scrubber()
    for value in values:
        scrubber.learn(value, kind="database password")
    return scrubber


@pytest.mark.parametrize(
    "written",
    [
        PASSWORD,
        quote(PASSWORD, safe=""),
        html.escape(PASSWORD),
        json.dumps({"a": PASSWORD}),
        json.dumps(json.dumps({"a": PASSWORD})),
        repr([PASSWORD]),
        base64.b64encode(PASSWORD.encode()).decode(),
        f"mysql://root:{PASSWORD}@db",
        f"{PASSWORD[:20]}…",
    ],
)
def test_a_known_value_is_removed_in_every_writing(written: str) -> None:
    cleaned = knowing(PASSWORD).text(f"before {written} after")
    assert "Tr0ub4dor" not in cleaned
    assert "VHIwdWI0ZG9y" not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


def test_a_mark_says_the_kind() -> None:
    assert knowing("hunter2hunter2").text("it is hunter2hunter2.") == "it is [removed: database password]."


def test_a_short_known_value_goes_only_where_it_stands_alone() -> None:
    assert knowing("root").text("root of the rooted tree") == "[removed: database password] of the rooted tree"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        (f"key {SECRET_KEY}", SECRET_KEY),
        (f'"SessionToken": "{TOKEN}"', TOKEN),
        (PRIVATE_KEY, "MIIEow"),
        ("jdbc:mysql://db:3306/x?user=a&password=s3same", "s3same"),
        ("mysql://root:s3same@db/staging", "s3same"),
        ("root:s3same@tcp(db:3306)/x", "s3same"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.s1gn4tur3", "eyJzdWIiOiIxMjM0In0"),
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("CREATE USER a IDENTIFIED BY 's3same'", "s3same"),
        ("mysql --password s3same", "s3same"),
        ('{"password": "open sesame"}', "open sesame"),
        ("MYSQL_PWD=s3same mysql", "s3same"),
        ("https://b.s3/x?X-Amz-Signature=abcdef0123&X-Amz-Expires=9", "abcdef0123"),
        ("\x1b[1mpassword\x1b[0m=\x1b[33m's3same'\x1b[0m", "s3same"),
    ],
)
def test_a_well_known_shape_is_removed(text: str, secret: str) -> None:
    scrubber = Scrubber()
    cleaned = scrubber.text(text)
    assert secret not in cleaned
    assert "[removed: " in cleaned
    assert scrubber.text(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:staging-AbCdEf",
        "secretsmanager:GetSecretValue",
        "{'ManageMasterUserPassword': True, 'SecretArn': 'arn:aws:secretsmanager:x:1:secret:y'}",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "The password is the one of the restore point.",
        "Master password: unchanged",
        "http://127.0.0.1:8080/path?at=a@b",
        "runbook_lib/records/verify.py line 40",
        "tokens: 12",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert Scrubber().text(text) == text


def test_images_are_left_alone_and_the_text_beside_them_is_not() -> None:
    bundle = {"image/png": "AKIAIOSFODNN7EXAMPLE", "text/plain": "AKIAIOSFODNN7EXAMPLE"}
    cleaned = Scrubber().value(bundle)
    assert cleaned["image/png"] == bundle["image/png"]
    assert cleaned["text/plain"] == "[removed: AWS access key]"


SAID = f"one {PASSWORD} two\nAKIAIOSFODNN7EXAMPLE\n{PRIVATE_KEY}\nmysql://root:s3same@db {SECRET_KEY} end"


@given(st.lists(st.integers(min_value=0, max_value=len(SAID)), max_size=8))
def test_a_secret_split_over_any_writes_never_shows(cuts: list[int]) -> None:
    """However the text is cut into pieces, what is let through is what the whole would have become."""
    scrubber = knowing(PASSWORD)
    stream = StreamScrubber(scrubber)
    edges = [0, *sorted(cuts), len(SAID)]
    let_through = ""
    for start, end in itertools.pairwise(edges):
        let_through += stream.feed(SAID[start:end])
        for secret in ("Tr0ub4dor", "AKIAIOSFODNN7", "MIIEow", "s3same", SECRET_KEY):
            assert secret not in let_through
    assert let_through + stream.flush() == scrubber.text(SAID)


@given(st.integers(min_value=1, max_value=30))
def test_a_known_value_of_several_lines_split_over_two_writes_never_shows(cut: int) -> None:
    value = "first line of it\nsecond line of it\nthird"
    stream = StreamScrubber(knowing(value))
    assert (
        stream.feed(f"a\n{value}"[:cut]) + stream.feed(f"a\n{value}"[cut:] + "\n")
        == "a\n[removed: database password]\n"
    )


def test_a_finished_line_is_let_through_at_once() -> None:
    """A log that is held back until the cell ends would show no life."""
    assert StreamScrubber(knowing(PASSWORD)).feed("waiting 1 of 9\n") == "waiting 1 of 9\n"


@pytest.mark.parametrize("name", ["password", "master_password", "api_key", "github_token"])
def test_a_parameter_with_a_telling_name_looks_like_a_secret(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", ["secret_arn", "token_count", "password_file", "cluster"])
def test_a_parameter_that_only_refers_to_a_secret_does_not(name: str) -> None:
    assert not secret_name(name)


def test_what_kind_of_secret_a_text_looks_like_is_said() -> None:
    assert looks_secret("AKIAIOSFODNN7EXAMPLE") == "AWS access key"
    assert looks_secret("staging") == ""


@pytest.mark.parametrize("text", ["password" * 6000, "secret-" * 8000, "password" + " " * 50_000, "api_key=" * 6000])
def test_what_looks_like_the_beginning_of_secrets_takes_no_more_time_than_other_text(text: str) -> None:
    """Each of these kept an earlier pattern busy for most of a minute, and the whole run with it."""
    begun = time.process_time()
    Scrubber().text(text)
    assert time.process_time() - begun < 5
