"""Words to make believable values of: neutral syllables for people, real wards with invented streets.

Nobody in the rehearsal is real. Names are drawn syllable by syllable, mail goes to example.com (RFC 2606), telephone
numbers have an exchange of zeros, which is never given out.
"""

from __future__ import annotations

from random import Random

_KANA = {
    "ka": "カ", "ki": "キ", "ke": "ケ", "ko": "コ", "sa": "サ", "se": "セ", "so": "ソ", "ta": "タ", "te": "テ",
    "to": "ト", "na": "ナ", "ni": "ニ", "no": "ノ", "ha": "ハ", "hi": "ヒ", "mi": "ミ", "mo": "モ", "ya": "ヤ",
    "yu": "ユ", "ra": "ラ", "ri": "リ", "ru": "ル", "re": "レ", "ro": "ロ", "wa": "ワ",
}  # fmt: skip
_SYLLABLES = tuple(_KANA)
WARDS = (
    "豊島区",
    "板橋区",
    "練馬区",
    "足立区",
    "葛飾区",
    "江戸川区",
    "杉並区",
    "中野区",
    "北区",
    "荒川区",
    "大田区",
    "世田谷区",
)
_STREETS = ("そらの台", "みどり野", "かぜ町", "ほしの丘", "あさひ坂", "こもれび通り", "ゆうひ台", "つばめ町")
_HOUSES = ("ソラ", "ミナモ", "コハル", "アカリ", "ノドカ", "ヒナタ", "カナデ", "ツムギ", "イロハ", "シズク")
SENTENCES = (
    "内見の希望日を電話で確認しました。",
    "鍵の受け渡しは管理人室で行います。",
    "エアコンの音が気になるとのこと。業者を手配。",
    "Moved in with two suitcases; key handed over.",
    "更新の案内を送付済み。返事待ち 🙏",
    "ゴミの分別についてご質問あり。",
    "家賃の引き落とし日を変更したい、と。",
    "Asks whether the 2nd bicycle is free of charge 🚲",
    "退去立会い完了。補修なし ✅",
    'It\'s "urgent"; see ticket\\path, tab\there.',
    "隣室の騒音、注意の貼り紙をしました。",
    "入居審査: 書類不足 (在留カードの裏面)。",
)


def romaji(rng: Random, *, least: int = 2, most: int = 4) -> str:
    """Draw a name of neutral syllables in Latin letters, all small: "kenoha"."""
    return "".join(rng.choice(_SYLLABLES) for _ in range(rng.randint(least, most)))


def kana(latin: str) -> str:
    """Write a name of `romaji` in katakana."""
    return "".join(_KANA[latin[at : at + 2]] for at in range(0, len(latin), 2))


def address(rng: Random) -> str:
    """Draw an address: a real ward, a street that is not there."""
    return (
        f"東京都{rng.choice(WARDS)}{rng.choice(_STREETS)}{rng.randint(1, 5)}-{rng.randint(1, 30)}-{rng.randint(1, 20)}"
    )


def house(rng: Random) -> str:
    """Draw the name of a share house."""
    return f"シェアハウス{rng.choice(_HOUSES)}{rng.choice(WARDS)[:-1]}{rng.choice(('', ' II', ' 別館', '・南'))}"


def phone(rng: Random) -> str:
    """Draw a telephone number nobody has."""
    return f"0{rng.choice((3, 50, 70, 80, 90))}-0000-{rng.randint(0, 9999):04d}"


def mail(rng: Random, ordinal: int) -> str:
    """Draw a mail address that goes nowhere, unlike any other of the same table."""
    return f"{romaji(rng)}.{ordinal}@example.com"
