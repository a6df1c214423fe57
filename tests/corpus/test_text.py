"""Bytes to text in every encoding, and what is left of the space between words."""

import pytest

from components.corpus.limits import MIB, Refused
from components.corpus.text import decode, tidy

GERMAN = "Größe prüfen – „Ventil“ schließen.\n"
RUSSIAN = "Закройте клапан, прежде чем давление в котле поднимется. Проверьте уровень воды.\n" * 5
JAPANESE = "圧力が上がる前に弁を閉じてください。水位を毎月点検してください。\n" * 5


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (GERMAN.encode(), GERMAN),
        (GERMAN.encode("utf-8-sig"), GERMAN),
        (GERMAN.encode("utf-16"), GERMAN),
        (b"\xfe\xff" + GERMAN.encode("utf-16-be"), GERMAN),
        (GERMAN.encode("utf-32"), GERMAN),
        (GERMAN.encode("utf-16-le"), GERMAN),
        (GERMAN.encode("utf-16-be"), GERMAN),
        (GERMAN.encode("cp1252"), GERMAN),
        (RUSSIAN.encode("cp1251"), RUSSIAN),
        (RUSSIAN.encode("koi8-r"), RUSSIAN),
        (JAPANESE.encode("shift_jis"), JAPANESE),
        (JAPANESE.encode("euc-jp"), JAPANESE),
        (b"", ""),
    ],
)
def test_text_is_read_whatever_it_was_written_in(body, text):
    assert decode(body) == text


def test_a_broken_byte_does_not_garble_the_rest():
    assert decode(GERMAN.encode() * 9 + b"\xff" + GERMAN.encode()) == GERMAN * 9 + "\ufffd" + GERMAN


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    assert decode("a\ud83db".encode("utf-16", "surrogatepass")) == "a\ufffdb"


def test_a_declared_charset_counts_where_the_bytes_allow_it():
    polish = "Zamknąć zawór, żeby ciśnienie spadło.\n"
    assert decode(polish.encode("iso-8859-2"), "iso-8859-2") == polish
    assert decode(polish.encode(), "iso-8859-2") == polish
    assert decode("é".encode("cp1252"), "no-such-charset") == "é"
    assert decode("é".encode("cp1252"), "rot13") == "é"


def test_a_few_nuls_are_dropped_and_many_make_it_binary():
    assert decode(b"one\0 two \x1b[1mthree" + b" four" * 100).startswith("one two [1mthree")
    with pytest.raises(Refused, match="UNKNOWN_FORMAT"):
        decode(b"one\0\1\2\3" * 100)


def test_bytes_in_no_charset_are_refused():
    with pytest.raises(Refused, match="BAD_ENCODING"):
        decode(bytes(range(0x80, 0x100)) * 40)


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        (" a \t b\u00a0\u3000c \r\n\n\n d", "a b c\nd"),
        ("a\u200bb\u00adc\ufeff", "abc"),
        ("\u2028\n \n", ""),
        ("a   b", "a b"),
    ],
)
def test_tidy_text_has_one_space_between_words_and_no_blank_lines(text, tidied):
    assert tidy(text) == tidied


@pytest.mark.parametrize(("piece", "line"), [("ab  cd\n", "ab cd"), ("\n", ""), ("\u00e4\n\n", "\u00e4")])
def test_long_text_is_tidied_as_short_text_is(piece, line):
    count = 3 * MIB // len(piece)
    assert tidy(piece * count) == "\n".join([line] * count if line else [])


def test_one_long_line_stays_one():
    assert tidy("ab \t" * MIB) == " ".join(["ab"] * MIB)
