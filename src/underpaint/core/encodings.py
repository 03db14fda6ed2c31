"""Bytes of unknown encoding to text, or a refusal: no text is spoiled in silence.

UTF-8 and files that begin with a byte-order mark say what they are. In all others, letters of one
encoding are letters of another too, so what they spell has to decide. A Latin word holds accented
letters among plain ones, a word of any other script is made of bytes above 127. Within each kind,
the encoding whose letters are the common ones of its script is right, if it is so by a margin.
"""

import codecs
import re
from collections.abc import Callable

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LATIN = ("cp1252", "cp1250", "cp1254")
_SAMPLE = 2**16
"""Bytes that decide; more would say the same."""
_RUN = re.compile(rb"[A-Za-z]?[\x80-\xff]+[A-Za-z]?")
_UNUSED = frozenset(b"\x81\x82\x83\x8d\x8f\x90\x9d")
"""Bytes that Latin texts of Windows do without, and that begin Japanese letters."""
_OF_MAC = re.compile(rb"[A-Za-z][\x80-\x91\x93-\x9f][a-z]|[a-z][\x8e\x8f]")
"""Bytes that Mac OS has letters at, and Windows signs and capitals that never follow a letter."""
_OF_WINDOWS = re.compile(rb"[\xc0-\xff\x92]")
_COMMON, _MARGIN, _ENOUGH_HANGUL = 0.75, 0.1, 15

_RUSSIAN = frozenset("оеаинтсрвлкмдпуяыьгзбчй")
_GREEK = frozenset("αοιετσνηυρπκμλςόίάέωήύώ")


def decode(content: bytes) -> tuple[str, str]:
    """Turn bytes into text, and name the encoding that they were in.

    Raises:
        ValueError: if they are no text, hold NUL, or could be read in several ways.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _checked(_strict(content, encoding), encoding.removesuffix("-sig"))
    if b"\0" in content:
        return _of_pairs(content)
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        encoding = _guessed(content)
    return _checked(_strict(content, encoding), encoding)


def _checked(text: str, encoding: str) -> tuple[str, str]:
    if "\0" in text:
        raise ValueError("it holds NUL, which no text does")
    return text, encoding


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"it begins as {encoding} and goes on as something else") from error


def _of_pairs(content: bytes) -> tuple[str, str]:
    """Read UTF-16 without its mark: every other byte of plain letters is NUL."""
    for encoding, empty in (("utf-16-le", content[1::2]), ("utf-16-be", content[::2])):
        if len(content) % 2 == 0 and empty.count(0) > 0.5 * len(empty):
            return _checked(_strict(content, encoding), encoding)
    raise ValueError("it holds NUL, which no text does")


def _guessed(content: bytes) -> str:
    lines = [line for line in content.splitlines() if any(byte > 127 for byte in line)]
    sample, length = [], 0
    for line in dict.fromkeys(lines):
        if length + len(line) > _SAMPLE and sample:
            break
        sample.append(line)
        length += len(line)
    said = b"\n".join(sample)
    return _latin(said) if _is_latin(said) else _other_script(said)


def _is_latin(said: bytes) -> bool:
    """Tell whether bytes above 127 stand among plain letters, as accented letters do."""
    foreign = known = 0
    for run in _RUN.findall(said):
        high = [byte for byte in run if byte > 127]
        stands_alone = len(high) == len(run) and len(high) > 1
        odd = len(high) if stands_alone or len(high) > 2 else sum(b in _UNUSED for b in high)
        foreign, known = foreign + odd, known + len(high)
    return foreign < 0.4 * known


def _latin(said: bytes) -> str:
    """Choose among encodings of Latin letters; Windows-1252 where it is as good as any."""
    odd, fair = (len(each.findall(said)) for each in (_OF_MAC, _OF_WINDOWS))
    if odd > fair:
        return "mac_roman"
    ranks = {
        name: (-match.chaos, match.coherence)
        for match in from_bytes(said, cp_isolation=list(_LATIN))
        for name in match.could_be_from_charset
        if name in _LATIN
    }
    if not ranks and _decodes(said, "cp1252"):
        return "cp1252"
    best = max(ranks.values(), default=None)
    for name in _LATIN:
        if best is not None and ranks.get(name) == best:
            return name
    raise ValueError("it is in no encoding that is known here")


def _other_script(said: bytes) -> str:
    """Choose the encoding whose letters are the common ones of its script.

    Raises:
        ValueError: if several are as likely, or none is.
    """
    shares = {name: share(said) for name, share in _SCRIPTS.items() if _decodes(said, name)}
    best = max(shares.values(), default=0.0)
    likely = [name for name, share in shares.items() if share > best - _MARGIN]
    if best < _COMMON:
        raise ValueError("it is in no encoding that is known here")
    # Korean letters are the first of the Chinese common ones: many in a row are no chance.
    if "euc_kr" in likely and _pairs(said) >= _ENOUGH_HANGUL:
        return "euc_kr"
    if len(likely) > 1:
        raise ValueError(f"it could be {' or '.join(likely)}, which spell other letters")
    return likely[0]


def _decodes(said: bytes, encoding: str) -> bool:
    try:
        said.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _letters(encoding: str, common: frozenset[str]) -> Callable[[bytes], float]:
    """Measure the share of common letters, capitals counting half: texts are not all capitals."""

    def share(said: bytes) -> float:
        letters = [each for each in said.decode(encoding) if each.isalpha() and each > "\x7f"]
        found = sum((1 if each in common else 0.5) * (each.lower() in common) for each in letters)
        return found / max(len(letters), 1)

    return share


def _ideographs(
    encoding: str, common: Callable[[bytes], bool], *, kana: float = 0.0
) -> Callable[[bytes], float]:
    """Measure the share of characters whose codes are common, by their first byte."""

    def share(said: bytes) -> float:
        characters = [each for each in said.decode(encoding) if each > "\x7f"]
        spelled = sum("\u3041" <= each <= "\u30ff" for each in characters)
        if spelled < kana * len(characters):
            return 0.0
        codes = [each.encode(encoding) for each in characters]
        return sum(common(code) for code in codes) / max(len(codes), 1)

    return share


def _pairs(said: bytes) -> int:
    return len([each for each in said.decode("euc_kr") if each > "\x7f"])


_SCRIPTS: dict[str, Callable[[bytes], float]] = {
    "cp1251": _letters("cp1251", _RUSSIAN),
    "koi8_r": _letters("koi8_r", _RUSSIAN),
    "cp1253": _letters("cp1253", _GREEK),
    "gb18030": _ideographs(
        "gb18030", lambda code: code[0] in (0xA1, 0xA3) or 0xB0 <= code[0] <= 0xD7
    ),
    "big5": _ideographs("big5", lambda code: 0xA1 <= code[0] <= 0xC6),
    "cp932": _ideographs("cp932", lambda code: 0x81 <= code[0] <= 0x97, kana=0.2),
    "euc_jp": _ideographs(
        "euc_jp", lambda code: code[0] in (0xA1, 0xA4, 0xA5) or 0xB0 <= code[0] <= 0xCF, kana=0.2
    ),
    "euc_kr": _ideographs(
        "euc_kr", lambda code: code[0] in (0xA1, 0xA3) or 0xB0 <= code[0] <= 0xC8
    ),
}
