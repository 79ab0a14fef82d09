"""No secret gets past the scrubber, whole or in pieces, and ordinary text does."""

from __future__ import annotations

import base64
import html
import itertools
import json
import shlex
import sys
import time
from urllib.parse import quote, quote_plus, urlencode

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.redaction import Scrubber, StreamScrubber, looks_secret, secret_name
from tests.secrets_corpus import INNOCENT, secrets

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


def test_the_corpus_of_secrets_is_found_and_that_of_ordinary_text_is_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    scrubber = Scrubber()
    corpus = secrets()
    missed = [text for text, secret in corpus if pieces_of(secret, scrubber.text(text))]
    touched = [text for text in INNOCENT if scrubber.text(text) != text]
    with capsys.disabled():
        sys.stdout.write(f"\nsecrets found: {len(corpus) - len(missed)} of {len(corpus)}; ")
        sys.stdout.write(f"innocents left: {len(INNOCENT) - len(touched)} of {len(INNOCENT)}\n")
    assert len(corpus) >= 300
    assert len(INNOCENT) >= 300
    assert missed == []
    assert touched == []
    twice = [text for text, _ in corpus if scrubber.text(scrubber.text(text)) != scrubber.text(text)]
    assert twice == []


def pieces_of(secret: str, text: str) -> list[str]:
    """Return the parts of a secret that a text still shows: of a password four signs are too many, of a token eight."""
    size = 4 if len(secret) < 15 else 8
    return [secret[at : at + size] for at in range(len(secret) - size + 1) if secret[at : at + size] in text]


AWKWARD = "Qw'e&rT\\y<1>2;\"%é$ {ü}`9"


@pytest.mark.parametrize(
    "written",
    [
        pd.DataFrame({"a": [AWKWARD]}).to_html(),
        pd.DataFrame({"a": [AWKWARD]}).to_string(),
        pd.DataFrame({"a": [AWKWARD]}).to_json(),
        pd.DataFrame({"a": [AWKWARD]}).to_csv(),
        repr(pd.Series([AWKWARD])),
        html.escape(AWKWARD),
        html.escape(AWKWARD, quote=False),
        html.escape(html.escape(AWKWARD)),
        html.escape(repr(AWKWARD)),
        html.escape(json.dumps(repr([AWKWARD]))),
        html.escape(json.dumps(AWKWARD)),
        AWKWARD.replace("&", "&amp;")
        .replace("'", "&#39;")
        .replace('"', "&#34;")
        .replace("<", "&lt;")
        .replace(">", "&gt;"),
        AWKWARD.encode("ascii", "xmlcharrefreplace").decode(),
        json.dumps(AWKWARD),
        json.dumps(AWKWARD, ensure_ascii=False),
        json.dumps(json.dumps(json.dumps([AWKWARD]))),
        json.dumps(AWKWARD).replace("&", "\\u0026").replace("<", "\\u003c"),
        repr(AWKWARD),
        ascii(AWKWARD),
        repr([repr(AWKWARD)]),
        repr(AWKWARD.encode()),
        str({"a": AWKWARD.encode()}),
        repr(AWKWARD.encode("latin-1")),
        quote(AWKWARD),
        quote(AWKWARD, safe=""),
        quote_plus(AWKWARD),
        quote(quote(AWKWARD)),
        urlencode({"a": AWKWARD}),
        quote(json.dumps(AWKWARD)),
        shlex.quote(AWKWARD),
        json.dumps(shlex.quote(AWKWARD)),
        f'"{AWKWARD.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34)).replace("$", chr(92) + "$")}"',
        AWKWARD.replace("'", "''"),
        AWKWARD.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"'),
        AWKWARD.replace("%", "%%").replace("{", "{{").replace("}", "}}"),
        base64.b64encode(AWKWARD.encode()).decode(),
        base64.b64encode(f"user:{AWKWARD}".encode()).decode(),
        base64.urlsafe_b64encode(f"a{AWKWARD}b".encode()).decode(),
        AWKWARD.encode().hex(),
        AWKWARD.encode().hex().upper(),
        str(list(AWKWARD.encode())),
        f"{AWKWARD[:9]}…",
        f"{AWKWARD[:7]}...",
        html.escape(AWKWARD[:14]),
    ],
)
def test_a_known_value_of_awkward_signs_is_removed_in_every_writing_of_the_usual_libraries(written: str) -> None:
    scrubber = knowing(AWKWARD)
    cleaned = scrubber.text(f"before {written} after")
    for shown in (
        "Qw'e",
        "Qw",
        "rT",
        "12;",
        base64.b64encode(AWKWARD.encode()).decode()[:8],
        AWKWARD.encode().hex()[4:16],
    ):
        assert shown not in cleaned, cleaned
    assert scrubber.text(cleaned) == cleaned


@pytest.mark.parametrize("lead", [pytest.param("", marks=pytest.mark.thorough), "key="])
def test_a_secret_cut_at_every_byte_over_three_writes_never_shows(lead: str) -> None:
    text = f"{lead}{AWKWARD} AKIAIOSFODNN7EXAMPLE\n"
    scrubber = knowing(AWKWARD)
    whole = scrubber.text(text)
    for first, second in itertools.combinations(range(len(text)), 2):
        stream = StreamScrubber(scrubber)
        let_through = stream.feed(text[:first]) + stream.feed(text[first:second]) + stream.feed(text[second:])
        assert let_through + stream.flush() == whole


@pytest.mark.parametrize("secret", [AWKWARD, "AKIAIOSFODNN7EXAMPLE", "password='Tr0ub4dor and more'"])
def test_a_secret_anywhere_in_a_line_of_more_than_64_kib_never_shows(secret: str) -> None:
    scrubber = knowing(AWKWARD)
    for before in range(57_300, 57_390, 9):  # the cut is 8 KiB before the end of what is held: around here
        stream = StreamScrubber(scrubber)
        shown = stream.feed("." * before + secret + "." * (65_537 - before - len(secret))) + stream.flush()
        assert not pieces_of(secret.removeprefix("password="), shown), before
        assert shown.count(".") == 65_537 - len(secret)


def test_a_secret_longer_than_any_line_is_removed_to_its_end() -> None:
    stream = StreamScrubber(Scrubber())
    text = "password=" + "Ab1x" * 100_000 + " and more\n"
    shown = "".join(stream.feed(text[at : at + 65_536]) for at in range(0, len(text), 65_536)) + stream.flush()
    assert "Ab1x" not in shown
    assert shown.endswith(" and more\n")


def test_what_stands_under_a_telling_key_is_a_secret_and_the_name_of_one_is_not() -> None:
    facts = {
        "password": "Tr0ub4dor",
        "secret": "prod/aurora/reader-2",
        "api": {"client_secret": b"x1"},
        "password_resets": "42",
    }
    facts |= {"environment": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "DB_USER", "value": "reader"}]}
    cleaned = Scrubber().value(facts)
    assert cleaned["password"] == cleaned["api"]["client_secret"] == "[removed: password]"
    assert cleaned["environment"] == [
        {"name": "DB_PASSWORD", "value": "[removed: password]"},
        {"name": "DB_USER", "value": "reader"},
    ]
    assert (cleaned["secret"], cleaned["password_resets"]) == ("prod/aurora/reader-2", "42")


def test_source_is_not_falsified_where_it_only_names_a_secret() -> None:
    source = "secret = 'prod/aurora/reader-2'\nprint({'secret': secret, 'password': password})"
    source += "\nconnect(password=read(secret))"
    assert Scrubber().source(source) == source
    assert Scrubber().source("password = 'Tr0ub4dor'") == "password = '[removed: password]'"


@pytest.mark.parametrize(
    "kind",
    [
        "password",
        "secret-",
        "password" + " " * 50_000,
        "api_key=",
        "=",
        "'",
        "&amp;",
        "://a:",
        "identified by '",
        "-p",
        "eyJ.",
        "A" * 39 + "/",
        "\\",
    ],
    ids=lambda kind: kind[:20].strip(),
)
def test_a_text_of_one_repeated_piece_takes_time_that_grows_with_it(kind: str) -> None:
    """Of these some kept an earlier pattern busy for most of a minute, and the whole run with it."""
    scrubber = knowing(AWKWARD, "x" + "'" * 15 + "x")
    begun = time.process_time()
    scrubber.text(kind * (200_000 // len(kind)))
    assert time.process_time() - begun < 5
