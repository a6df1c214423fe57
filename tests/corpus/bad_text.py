"""Bad inputs that are about bytes and characters: encodings, texts of strange shapes and sizes, keys."""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Iterator
from random import Random

from tests.corpus.bad_file import CANARY, MIB, Bad, Maker, line, page, prose, repeated, shapes

_DECODED = "document|BAD_ENCODING|BAD_RECORD"
_UNDECODED = f"{_DECODED}|UNKNOWN_FORMAT|NO_TEXT"
_PLACES = ("txt", "md", "html", "jsonl")


def fine(rng: Random) -> Iterator[Bad]:
    """The control group: an oracle that all of these pass, and no parser that refuses everything."""
    for suffix, body in shapes(prose(rng)).items():
        yield Bad(f"fine.{suffix}", body.encode(), "document", says=CANARY)
        yield Bad(f"FINE.{suffix.upper()}", body.encode(), "document", says=CANARY)
    yield Bad("three.jsonl", "".join(line(prose(rng)) for _ in range(3)).encode(), "document", 3, says=CANARY)


def byte_order_marks(rng: Random) -> Iterator[Bad]:
    for suffix, body in shapes(prose(rng)).items():
        yield Bad(f"mark.{suffix}", body.encode("utf-8-sig"), "document", says=CANARY)
    yield Bad("two-marks.txt", b"\xef\xbb\xbf" * 2 + prose(rng).encode(), "document", says=CANARY)
    yield Bad("mark-alone.txt", b"\xef\xbb\xbf", "NO_TEXT|EMPTY")
    yield Bad("mark-alone.jsonl", b"\xef\xbb\xbf", "NO_TEXT|EMPTY")
    marked = line(prose(rng), id="a") + "\ufeff" + line(prose(rng), id="b")
    yield Bad("mark-between-records.jsonl", marked.encode(), _DECODED, 2)


def utf_16(rng: Random) -> Iterator[Bad]:
    """With a mark it can be read; without one it may not become a text full of NULs."""
    for order, mark in (("le", b"\xff\xfe"), ("be", b"\xfe\xff")):
        for suffix, body in shapes(prose(rng)).items():
            words = body.encode(f"utf-16-{order}")
            yield Bad(f"{order}-marked.{suffix}", mark + words, _UNDECODED, None, says=CANARY)
            yield Bad(f"{order}.{suffix}", words, _UNDECODED, None, says=CANARY)
    yield Bad("odd.txt", b"\xff\xfe" + prose(rng).encode("utf-16-le") + b"\0", _UNDECODED, says=CANARY)


def utf_32(rng: Random) -> Iterator[Bad]:
    """The little-endian mark begins like that of UTF-16."""
    for suffix, body in shapes(prose(rng)).items():
        yield Bad(f"marked.{suffix}", body.encode("utf-32"), _UNDECODED, None, says=CANARY)
    yield Bad("be.txt", prose(rng).encode("utf-32-be"), _UNDECODED, says=CANARY)


def cp1252(rng: Random) -> Iterator[Bad]:
    for suffix, body in shapes(f"{prose(rng)} “Größe” – 5\N{EURO SIGN} …").items():
        yield Bad(f"quotes.{suffix}", body.encode("cp1252"), _DECODED, says=CANARY)
    declared = page(f"<p>{prose(rng)} “Größe”</p>", '<meta charset="windows-1252">')
    yield Bad("declared.html", declared.encode("cp1252"), _DECODED, says=CANARY)
    yield Bad("undefined.txt", prose(rng).encode() + b" \x81\x8d\x8f\x90\x9d", _DECODED, says=CANARY)


def other_encodings(rng: Random) -> Iterator[Bad]:
    for name, text in {
        "latin-1": "Größe",
        "shift_jis": "圧力弁",
        "gb18030": "压力阀",
        "koi8-r": "клапан",
        "euc-kr": "밸브",
        "iso-2022-jp": "圧力弁",
        "utf-7": "Größe",
        "cp037": "valve",
        "mac-roman": "Größe",
    }.items():
        body = f"{prose(rng)} {text * 5}"
        yield Bad(f"{name}.txt", body.encode(name), _UNDECODED, says=CANARY)
        declared = page(f"<p>{body}</p>", f'<meta charset="{name}">')
        yield Bad(f"{name}.html", declared.encode(name), _UNDECODED, says=CANARY)


def lone_surrogates(rng: Random) -> Iterator[Bad]:
    for suffix, body in shapes(f"{prose(rng)} \ud83d half, \ude00\ud83d the wrong way round").items():
        yield Bad(f"bytes.{suffix}", body.encode(errors="surrogatepass"), _DECODED, says=CANARY)
    for where in ("text", "title", "id", "other"):
        fields = {"id": "a", "title": "Boiler", "text": prose(rng)} | {where: f"{prose(rng)} \\ud83d"}
        spelled = "{" + ", ".join(f'"{name}": "{value}"' for name, value in fields.items()) + "}\n"
        yield Bad(f"spelled-in-{where}.jsonl", spelled.encode(), "document|BAD_RECORD", says=CANARY)
    yield Bad("entity.html", page(f"<p>{prose(rng)} &#xD83D; &#55357;</p>").encode(), "document", says=CANARY)


def nul_bytes(rng: Random) -> Iterator[Bad]:
    for suffix, body in shapes(f"{prose(rng)} \0 {prose(rng)}").items():
        raw = body.encode().replace(b"\\u0000", b"\0")
        yield Bad(f"within.{suffix}", raw, _UNDECODED)
        yield Bad(f"in-front.{suffix}", b"\0" + shapes(prose(rng))[suffix].encode(), _UNDECODED)
    yield Bad("spelled.jsonl", line(f"{prose(rng)}\0", id="a\0b", title="\0").encode(), "document|BAD_RECORD")
    yield Bad("nothing-else.txt", bytes(1000), "UNKNOWN_FORMAT|BAD_ENCODING|NO_TEXT")
    yield Bad("nothing-else.jsonl", bytes(MIB), "UNKNOWN_FORMAT|BAD_ENCODING|NO_TEXT|BAD_RECORD")
    yield Bad("a-tail-of-them.txt", prose(rng).encode() + bytes(MIB), _UNDECODED)
    yield Bad("entity.html", page(f"<p>{prose(rng)} &#0; &#x0;</p>").encode(), "document", says=CANARY)


def no_utf_8(rng: Random) -> Iterator[Bad]:
    """Overlong forms (of `/` and NUL), more than U+10FFFF, cut and stray sequences: RFC 3629, sections 3 and 10."""
    for name, raw in {
        "overlong-2": b"\xc0\xaf",
        "overlong-3": b"\xe0\x80\xaf",
        "overlong-4": b"\xf0\x80\x80\xaf",
        "overlong-nul": b"\xc0\x80",
        "five-bytes": b"\xf8\x88\x80\x80\x80",
        "too-high": b"\xf4\x90\x80\x80",
        "cut": b"\xe2\x82",
        "stray": b"\x80\xbf\x80",
        "never": b"\xfe\xff",
    }.items():
        yield Bad(f"{name}.txt", prose(rng).encode() + b" " + raw, _DECODED, says=CANARY)
        record = line(prose(rng) + "@", id="a").encode().replace(b"@", raw)
        yield Bad(f"{name}.jsonl", record + line(prose(rng), id="b").encode(), _DECODED, None, says=CANARY)
    yield Bad("cut.html", page(f"<p>{prose(rng)}").encode() + b"\xe2", _DECODED, says=CANARY)
    yield Bad("mostly.txt", rng.randbytes(20_000).replace(b"\0", b"\xff"), "BAD_ENCODING|UNKNOWN_FORMAT")


def mojibake(rng: Random) -> Iterator[Bad]:
    twice = "Größe, naïve, 5 €".encode().decode("cp1252", "replace").encode().decode("cp1252", "replace")
    for suffix, body in shapes(f"{prose(rng)} {twice}").items():
        yield Bad(f"twice.{suffix}", body.encode(), "document", says=CANARY)
    yield Bad("replaced.txt", f"{prose(rng)} {chr(0xFFFD) * 30}".encode(), _DECODED, says=CANARY)


def unseen_characters(rng: Random) -> Iterator[Bad]:
    """Bidirectional overrides, zero-width and tag characters, noncharacters, controls."""
    for name, text in {
        "overrides": "\u202e evlav \u202d \u2066 never closed",
        "zero-width": "v\u200ba\u200cl\u200dv\u2060e\ufeff",
        "tags": "".join(chr(0xE0000 + ord(c)) for c in "ignore the above"),
        "noncharacters": "\ufffe \uffff \U0001ffff \ufdd0",
        "controls": "\x1b[31mred\x1b[0m \x01\x02\x08\x7f \x85 \x9b \x0b\x0c",
        "soft-hyphens": "v\xada\xadl\xadv\xade",
    }.items():
        for suffix, body in shapes(f"{prose(rng)} {text}").items():
            no_text = "|UNKNOWN_FORMAT" if name == "controls" else ""
            yield Bad(f"{name}.{suffix}", body.encode(), f"document|BAD_RECORD{no_text}", says=CANARY)
    yield Bad("zero-width-alone.txt", "\u200b\u200d\ufeff\u2060".encode() * 50, "document|NO_TEXT")


def white_space(rng: Random) -> Iterator[Bad]:
    for name, text in {
        "spaces": "   ",
        "every-kind": " \t\r\n\x0b\x0c\x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
        "a-megabyte": " " * MIB,
        "line-ends": "\n" * 3 * MIB,
    }.items():
        for suffix in _PLACES:
            body = page(f"<p>{text}</p>") if suffix == "html" else text
            bad_lines = "|BAD_RECORD" if suffix == "jsonl" else ""
            yield Bad(f"{name}.{suffix}", body.encode(), f"NO_TEXT|EMPTY{bad_lines}", None)
    yield Bad("in-records.jsonl", "".join(map(line, ["", "  ", "\n", "\u3000"])).encode(), "NO_TEXT|BAD_RECORD", 4)
    yield Bad("headings-alone.md", b"# a\n\n## b\n", "NO_TEXT|document")


def one_character(rng: Random) -> Iterator[Bad]:
    for number, text in enumerate(["a", ".", "0", "\u0301", "😀", "字", "\x07"]):
        for suffix in ("txt", "md", "jsonl"):
            body = line(text) if suffix == "jsonl" else text
            yield Bad(f"{number}.{suffix}", body.encode(), "document|NO_TEXT|BAD_RECORD")


def large_texts(rng: Random) -> Iterator[Bad]:
    """Ten megabytes are read; a document of more than 32 MiB is refused, wherever the bytes are."""
    ten = prose(rng, 1_700_000)
    for suffix, body in shapes(ten).items():
        large_record = "|RECORD_TOO_LARGE" if suffix == "jsonl" else ""
        yield Bad(f"ten-megabytes.{suffix}", body.encode(), f"document{large_record}", says=CANARY)
    for suffix, body in shapes("v" * 10_000_000).items():
        large_record = "|RECORD_TOO_LARGE" if suffix == "jsonl" else ""
        yield Bad(f"one-word.{suffix}", body.encode(), f"document{large_record}", says="v" * 1000)
    lines = "\n\n".join(prose(rng, 8) for _ in range(100)) + "\n\n"
    yield Bad("ten-megabytes-of-paragraphs.md", lines.encode() * (10_000_000 // len(lines)), "document", says=CANARY)
    yield Bad("a-million-lines.txt", b"valve\n" * 1_000_000, "document", says="valve")
    yield Bad("just-32-MiB.txt", repeated(b"valve ", 32 * MIB // 6, b"..", b""), "document", says="valve")
    for suffix in ("txt", "md", "html"):
        yield Bad(f"over-32-MiB.{suffix}", repeated(b"valve ", 33 * MIB // 6, b"<html>"), "TOO_LARGE", heavy=True)


def dumps(rng: Random) -> Iterator[Bad]:
    encoded = base64.encodebytes(rng.randbytes(500_000)).decode()
    log = "".join(f"2026-11-23T09:{n % 60:02}:00Z ERROR [{n:06}] {CANARY} valve failed\n" for n in range(10_000))
    for name, text in {
        "base64": encoded,
        "base64-on-a-line": encoded.replace("\n", ""),
        "log": log,
        "hex": rng.randbytes(300_000).hex(" ", 2),
        "minified": "function(a,b){return a?b:c};" * 20_000,
        "numbers": "\n".join(",".join(str(rng.random()) for _ in range(20)) for _ in range(2_000)),
    }.items():
        yield Bad(f"{name}.txt", text.encode(), "document")
        yield Bad(f"{name}.md", text.encode(), "document")
    yield Bad("base64.jsonl", line(encoded).encode(), "document")


def languages(rng: Random) -> Iterator[Bad]:
    for name, text in {
        "right-to-left": "يجب إغلاق الصمام قبل ارتفاع الضغط. יש לסגור את השסתום. ",
        "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 🧑🏿‍🔧 ",
        "mixed": "Ventil schließen. Fermez la vanne. 关闭阀门。 バルブを閉める。 Закройте клапан. ปิดวาล์ว ",
        "stacked-marks": "v" + "\u0301\u0323\u0336" * 500,
        "decomposed": unicodedata.normalize("NFD", "Größe Übergröße é 밸브 "),
    }.items():
        for suffix, body in shapes(f"{CANARY} {text * 20}").items():
            yield Bad(f"{name}.{suffix}", body.encode(), "document", says=CANARY)


def line_ends(rng: Random) -> Iterator[Bad]:
    for name, end in {"cr": "\r", "crlf": "\r\n", "lfcr": "\n\r", "separator": "\u2028", "form-feed": "\x0c"}.items():
        yield Bad(f"{name}.txt", end.join(prose(rng) for _ in range(5)).encode(), "document", says=CANARY)
        # CommonMark 0.31, section 2.1, ends lines with CR too; what ends none leaves a heading without a text.
        ended = "document" if end.strip("\r\n") == "" else "document|NO_TEXT"
        yield Bad(f"{name}.md", end.join(["# Boiler", "", prose(rng)]).encode(), ended, says=CANARY)
        lines = end.join(line(prose(rng), id=n).strip() for n in range(5))
        # JSON lines end with a line feed; what is on one line then is one bad record.
        five = "\n" in end
        yield Bad(f"{name}.jsonl", lines.encode(), "document" if five else "BAD_RECORD|document", 5 if five else None)


def zero_bytes(rng: Random) -> Iterator[Bad]:
    kinds = ("txt", "md", "html", "json", "jsonl", "parquet", "pdf", "docx", "gz", "txt.gz", "jsonl.zst", "zip", "bin")
    for suffix in (*kinds, ""):
        yield Bad(f"empty.{suffix}", b"", "EMPTY")


def folder_markers(rng: Random) -> Iterator[Bad]:
    for key in ("folder/", "a/b/c/", "folder_$folder$", "folder//", "folder.txt/"):
        yield Bad(key, b"", "EMPTY")
    yield Bad("with-bytes/", prose(rng).encode(), "UNKNOWN_FORMAT|document")


def keys(rng: Random) -> Iterator[Bad]:
    """What a key can be: up to 1,024 bytes of UTF-8 (S3 user guide, "Naming Amazon S3 objects")."""
    long = "k" * 200
    for key in [
        *("../escape.txt", "../../../../tmp/escape.txt", "a/../../b.txt", "./dot.txt", "a/./b.txt", "a/../b.txt"),
        *("/absolute.txt", "/etc/passwd.txt", "//two.txt", "a//b.txt", "C:\\windows\\a.txt", "\\\\host\\share.txt"),
        *("%2e%2e/percent.txt", "..%2fpercent.txt", "%00.txt", "a%20b.txt", "a+b.txt", "a b.txt", " lead.txt"),
        *("Case.txt", "case.txt", "CASE.txt", "caſe.txt", "İ.txt", "i̇.txt"),
        *(unicodedata.normalize(form, "größe é.txt") for form in ("NFC", "NFD")),
        *("日本/ファイル.txt", "😀.txt", "\u202etxt.exe.txt", "zero\u200bwidth.txt", "\ufeffmark.txt"),
        *("a#b.txt", "a?b=c.txt", "a&b.txt", "a;b.txt", "a'b\".txt", "<b>.txt", "a|b.txt", "a*b.txt", "~/a.txt"),
        *("$HOME.txt", "$(touch escape).txt", "`id`.txt", "{{workflow.name}}.txt", "{{inputs.parameters.a}}.txt"),
        *("-rf.txt", "--help.txt", "con.txt", "nul.txt", "aux/prn.txt", "trailing .txt", ".txt", "..txt", "a..txt"),
        *("tab\there.txt", "line\nend.txt", "cr\rhere.txt", "bell\x07.txt", "escape\x1b[31m.txt"),
        *("node.txt", "node.txt/below.txt", "link -> ../../etc/passwd.txt", "latest@.txt", "s3://bucket/key.txt"),
        *(f"{'/'.join([long] * 5)}/{'k' * 15}.txt", "/".join("a" * 500) + ".txt", f"{'é' * 120}.txt"),
    ]:
        yield Bad(key, f"{prose(rng)} {len(key)}".encode(), "document|UNKNOWN_FORMAT", says=CANARY)


CLASSES: dict[str, Maker] = {
    "fine": fine,
    "byte order marks": byte_order_marks,
    "UTF-16": utf_16,
    "UTF-32": utf_32,
    "cp1252": cp1252,
    "other encodings": other_encodings,
    "lone surrogates": lone_surrogates,
    "NUL bytes": nul_bytes,
    "no UTF-8": no_utf_8,
    "mojibake": mojibake,
    "unseen characters": unseen_characters,
    "white space": white_space,
    "one character": one_character,
    "large texts": large_texts,
    "dumps": dumps,
    "languages": languages,
    "line ends": line_ends,
    "zero bytes": zero_bytes,
    "folder markers": folder_markers,
    "keys": keys,
}
