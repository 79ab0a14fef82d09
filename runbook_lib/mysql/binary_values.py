"""Read the values of logged rows, as the text or bytes that the server gives for them when they are cast to BINARY.

What may pass is listed: a type that is not read here raises `NotDecoded`, and nothing is said of its values.
Source: MySQL's `mysql_binlog_event` and `decimal_bin_size`, "Date and Time Data Type Representation" in its manual.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime

from runbook_lib.mysql.binary_rows import NotDecoded, Wire

_WHOLE = {1, 2, 3, 8, 9}
_FLOAT, _DOUBLE, _DATE, _YEAR, _BIT, _DECIMAL, _ENUM, _SET, _STRING = 4, 5, 10, 13, 16, 246, 247, 248, 254
_TIMESTAMP, _DATETIME, _TIME = 17, 18, 19
_TEXTS = {15, 253}
_BLOBS = {249, 250, 251, 252}
_DIGITS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)  # bytes of so many decimal digits


def value_of(raw: bytes, wire: Wire, *, unsigned: bool, octets: int = 0) -> bytes:
    """Return a value as `CAST(column AS BINARY)` gives it, in UTC; of FLOAT and DOUBLE the eight bytes of the double.

    ENUM, SET and BIT are their numbers. `octets` is the length of a BINARY column: the log leaves out zeros at its end.

    Raises:
        NotDecoded: a value of this type is not read here.
    """
    kind, extra = wire.kind, wire.extra
    body = raw[-wire.size :] if wire.size < 0 else raw
    if kind == _STRING and extra[0] | 0x30 in (_ENUM, _SET):
        kind = extra[0] | 0x30
    if kind in _WHOLE:
        return b"%d" % int.from_bytes(body, "little", signed=not unsigned)
    if kind in (_ENUM, _SET):
        return b"%d" % int.from_bytes(body, "little")
    if kind == _BIT:
        return b"%d" % int.from_bytes(body, "big")
    if kind in _TEXTS or kind in _BLOBS or kind == _STRING:
        return body.ljust(octets, b"\0")
    if kind == _DECIMAL:
        return _decimal(body, precision=extra[0], scale=extra[1])
    if kind in (_FLOAT, _DOUBLE):
        return struct.pack("<d", struct.unpack("<f" if kind == _FLOAT else "<d", body)[0])
    return _moment(body, kind, extra)


def _moment(body: bytes, kind: int, extra: bytes) -> bytes:
    if kind == _YEAR:
        return b"%04d" % (1900 + body[0] if body[0] else 0)
    if kind == _DATE:
        packed = int.from_bytes(body, "little")
        return b"%04d-%02d-%02d" % (packed >> 9, packed >> 5 & 15, packed & 31)
    if kind not in (_TIMESTAMP, _DATETIME, _TIME):
        raise NotDecoded(f"values of the type {kind} are not read")
    places, length = extra[0], (extra[0] + 1) // 2
    number, sign = int.from_bytes(body, "big"), b""
    if kind != _TIMESTAMP:
        number -= 1 << (8 * len(body) - 1)  # its highest bit is set where it is not negative
        number, sign = abs(number), b"-" if number < 0 else b""
    whole, rest = number >> 8 * length, number & ((1 << 8 * length) - 1)
    if kind == _TIMESTAMP:
        zero = b"0000-00-00 00:00:00"
        text = f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}".encode() if whole or rest else zero
    else:
        clock = whole >> 12 & (31 if kind == _DATETIME else 1023), whole >> 6 & 63, whole & 63
        text = sign + b"%02d:%02d:%02d" % clock
        if kind == _DATETIME:
            month = whole >> 22
            text = b"%04d-%02d-%02d " % (month // 13, month % 13, whole >> 17 & 31) + text
    micro = b"%06d" % (rest * 100 ** (3 - length))
    return text + (b"." + micro[:places] if places else b"")


def _decimal(body: bytes, *, precision: int, scale: int) -> bytes:
    positive = body[0] & 0x80
    data = bytes([body[0] ^ 0x80, *body[1:]])
    if not positive:
        data = bytes(byte ^ 0xFF for byte in data)
    digits, at = "", 0
    whole = precision - scale
    for count in (whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9):
        length = _DIGITS[count]
        if length:
            digits += f"{int.from_bytes(data[at : at + length], 'big'):0{count}d}"
        at += length
    text = (digits[:whole].lstrip("0") or "0") + (f".{digits[whole:]}" if scale else "")
    return (text if positive else f"-{text}").encode()
