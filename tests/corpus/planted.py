"""Plants personal data and secrets in real sentences, to measure what is found of them.

Values are made from what the services document about their formats (lengths, alphabets, checksums), numbering plans
and RFCs, not from the detector's patterns; all are random, with a fixed seed, and nobody's.
"""

from __future__ import annotations

import base64
import json
import string
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import get_args

from components.corpus.config import Kind
from components.corpus.document import Parsed, Section

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
WORD = LOWER + UPPER + DIGITS
URLSAFE, BASE64, HEX = WORD + "-_", WORD + "+/", DIGITS + "abcdef"
BASE32 = UPPER + "234567"

Made = tuple[str, str]
"""A value, and a template that says how people write it, with `{}` for the value."""


@dataclass(frozen=True)
class Planted:
    """One value in a document that had none.

    Attributes:
        form: What was planted, more exactly: `github classic`.
        place: `title`, `heading` or `text`.
    """

    kind: Kind
    form: str
    value: str
    place: str
    document: Parsed


def plant(pages: Sequence[tuple[str, Sequence[str]]], each: int = 250, seed: int = 20261123) -> list[Planted]:
    """`each` values of every kind, each in a page of its own; a page is a title and its sentences."""
    rng = Random(seed)
    planted = []
    for kind in get_args(Kind):
        forms = list(FORMS[kind].items())
        for number in range(each):
            form, make = forms[number % len(forms)]
            value, template = make(rng)
            title, sentences = pages[len(planted) % len(pages)]
            place = rng.choices(("text", "heading", "title"), (8, 1, 1))[0] if "\n" not in template + value else "text"
            document = _document(title, list(sentences), template.format(value), place, rng)
            planted.append(Planted(kind, form, value, place, document))
    return planted


def _document(title: str, sentences: list[str], written: str, place: str, rng: Random) -> Parsed:
    """The page with `written` in a sentence, or on a line of its own, or at the end of a heading or of the title."""
    heading = f"{title} {written}" if place != "text" else title
    if place == "text":
        at = rng.randrange(len(sentences))
        words = sentences[at].split(" ")
        cut = rng.randrange(1, len(words) + 1)
        gap = "\n" if "\n" in written else " "
        sentences[at] = gap.join(filter(None, [" ".join(words[:cut]), written, " ".join(words[cut:])]))
    sections = (Section((title,), "About this operation."), Section((title, heading), "\n".join(sentences), "#about"))
    return Parsed("", heading if place == "title" else title, "en", sections, "text/html")


def text(rng: Random, alphabet: str, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def armored(label: str, size: int, start: bytes, layout: str = "lines") -> Callable[[Random], Made]:
    """A block of `size` bytes, `start` among them (RFC 7468, RFC 9580), in lines, as a JSON string, or cut off."""

    def make(rng: Random) -> Made:
        body = base64.b64encode(start + rng.randbytes(size - len(start))).decode()
        lines = [body[at : at + 64] for at in range(0, len(body), 64)]
        if layout == "encrypted":
            lines = ["Proc-Type: 4,ENCRYPTED", f"DEK-Info: AES-128-CBC,{text(rng, HEX, 32).upper()}", "", *lines]
        lines = [f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]
        if layout == "cut":
            lines = lines[: len(lines) // 2 + 1]
        joint = {"spaces": " ", "json": r"\n", "indented": "\n    "}.get(layout, "\n")
        return joint.join(lines), '"private_key": "{}"' if layout == "json" else "{}"

    return make


def shaped(*parts: tuple[str, int] | str, write: str = "{}") -> Callable[[Random], Made]:
    """A value of literal parts and of random ones (alphabet, length), written as `write`."""

    def make(rng: Random) -> Made:
        return "".join(part if isinstance(part, str) else text(rng, *part) for part in parts), write

    return make


def one_of(*makers: Callable[[Random], Made]) -> Callable[[Random], Made]:
    return lambda rng: rng.choice(makers)(rng)


def github(rng: Random) -> Made:
    """A classic token: 30 random characters, then their CRC-32 in base 62, as GitHub's engineering blog tells."""
    body, check = text(rng, WORD, 30), ""
    left = zlib.crc32(body.encode())
    while left:
        left, digit = divmod(left, 62)
        check = (DIGITS + UPPER + LOWER)[digit] + check
    return f"{rng.choice(('ghp', 'gho', 'ghu', 'ghs', 'ghr'))}_{body}{check:0>6}", rng.choice(("{}", "GH_TOKEN={}"))


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def jwt(signature: int, **header: str) -> Callable[[Random], Made]:
    """A signed token (RFC 7515), its signature of so many bytes."""

    def make(rng: Random) -> Made:
        claims = {"iss": f"https://{text(rng, LOWER, 8)}.eu", "sub": text(rng, DIGITS, 10), "exp": 1_790_000_000}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
        write = rng.choice(("{}", "Authorization: Bearer {}", "?id_token={}", '"token": "{}"', "Cookie: session={};"))
        return ".".join(map(encoded, [*parts, rng.randbytes(signature)])), write

    return make


def jwe(rng: Random) -> Made:
    """An encrypted token (RFC 7516) with a key of its own, or without one where both sides know it."""
    algorithm = rng.choice(("dir", "RSA-OAEP-256"))
    header = json.dumps({"alg": algorithm, "enc": "A256GCM"}).encode()
    sizes = (0 if algorithm == "dir" else 256, 12, 200, 16)
    return ".".join(map(encoded, [header, *map(rng.randbytes, sizes)])), "{}"


def written(*shapes: str, write: str = "{}") -> Callable[[Random], Made]:
    """One of the shapes: N is any digit, X one from 2 to 9, * six letters, ~ twelve characters of a password."""
    made = {"N": (DIGITS, 1), "X": ("23456789", 1), "*": (LOWER, 6), "~": (WORD + "!$-_.", 12)}

    def make(rng: Random) -> Made:
        return "".join(text(rng, *made[sign]) if sign in made else sign for sign in rng.choice(shapes)), write

    return make


def card(prefix: str, length: int, *groups: int) -> Callable[[Random], Made]:
    """A number of the issuer's length with its check digit, in groups by spaces or hyphens, or in one."""

    def make(rng: Random) -> Made:
        digits = prefix + text(rng, DIGITS, length - len(prefix) - 1)
        doubled = [int(digit) * (2 - at % 2) for at, digit in enumerate(reversed(digits))]
        digits += str(-sum(number - 9 * (number > 9) for number in doubled) % 10)
        sign, at, parts = rng.choice(("", " ", "-")), 0, []
        for size in groups:
            parts.append(digits[at : at + size])
            at += size
        return sign.join(parts), rng.choice(("{}", "card {}.", "paid with {},", "no. {} (exp. 11/29)", "pan={}&"))

    return make


FORMS: dict[Kind, dict[str, Callable[[Random], Made]]] = {
    "private_key": {
        "rsa": armored("RSA PRIVATE KEY", 1190, b"\x30\x82\x04\xa2\x02\x01\x00"),
        "rsa 4096": armored("RSA PRIVATE KEY", 2348, b"\x30\x82\x09\x28\x02\x01\x00"),
        "rsa encrypted": armored("RSA PRIVATE KEY", 1192, b"", "encrypted"),
        "ec": armored("EC PRIVATE KEY", 121, b"\x30\x77\x02\x01\x01"),
        "openssh": armored("OPENSSH PRIVATE KEY", 411, b"openssh-key-v1\0\0\0\0\x04none"),
        "pkcs8": armored("PRIVATE KEY", 1217, b"\x30\x82\x04\xbd\x02\x01\x00\x30"),
        "pkcs8 ed25519": armored("PRIVATE KEY", 48, b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70"),
        "pkcs8 encrypted": armored("ENCRYPTED PRIVATE KEY", 1329, b"\x30\x82\x05\x2d\x30", "indented"),
        "service account": armored("PRIVATE KEY", 1217, b"\x30\x82\x04\xbe\x02", "json"),
        "on one line": armored("RSA PRIVATE KEY", 1191, b"\x30\x82\x04\xa3\x02", "spaces"),
        "cut off": armored("EC PRIVATE KEY", 223, b"\x30\x81\xdc\x02\x01\x01", "cut"),
        "openpgp": armored("PGP PRIVATE KEY BLOCK", 1700, b"\xc5\x86"),
    },
    "cloud_key": {
        "aws access key id": one_of(
            shaped("AKIA", (BASE32, 16)), shaped("ASIA", (BASE32, 16), write="aws_access_key_id={}")
        ),
        "aws secret, profile": shaped((BASE64, 40), write="aws_secret_access_key = {}"),
        "aws secret, environment": shaped((BASE64, 40), write="export AWS_SECRET_ACCESS_KEY={}"),
        "aws secret, answer": shaped((BASE64, 40), write='"SecretAccessKey": "{}"'),
        "aws secret, prose": shaped((BASE64, 40), write="the secret access key is {}"),
        "aws secret, console's csv": shaped(
            (BASE64, 40), write="Access key ID,Secret access key\nAKIAIOSFODNN7EXAMPLE,{}"
        ),
        "google api key": shaped("AIza", (URLSAFE, 35), write="?key={}"),
        "google client secret": shaped("GOCSPX-", (URLSAFE, 28), write='"client_secret":"{}"'),
        "google access token": shaped("ya29.a0", (URLSAFE, 160), write="Authorization: Bearer {}"),
        "azure storage, old": shaped((BASE64, 86), "==", write="AccountName=logs;AccountKey={};EndpointSuffix=core"),
        "azure storage": shaped((BASE64, 76), "+ASt", (BASE64, 5), "A=="),
        "azure cosmos": shaped((BASE64, 76), "ACDb", (BASE64, 5), "w==", write="primary key: {}"),
        "azure service bus": shaped((BASE64, 33), "+ASb", "C", (BASE64, 5), "=", write="SharedAccessKey={}"),
        "azure event hub, old": shaped((BASE64, 43), "=", write="SharedAccessKeyName=Root;SharedAccessKey={}"),
        "azure openai": shaped((WORD, 52), "JQQJ99BKAC", (WORD, 22), write="api-key: {}"),
        "azure devops": shaped((WORD, 76), "AZDO", (WORD, 4)),
        "entra client secret": shaped((WORD, 3), "8Q~", (WORD + "-_.~", 34), write="client_secret={}"),
        "azure sas": shaped("sig=", (WORD, 41), "%2B", "%3D", write="?sv=2024-11-04&sr=b&sp=r&{}"),
    },
    "service_token": {
        "github classic": github,
        "github fine-grained": shaped("github_pat_11", (UPPER + DIGITS, 20), "_", (WORD, 59)),
        "gitlab": shaped("glpat-", (URLSAFE, 20), write="PRIVATE-TOKEN: {}"),
        "gitlab routable": shaped("glpat-", (URLSAFE, 27), ".01.", (LOWER + DIGITS, 9)),
        "gitlab runner": shaped("glrt-t1_", (URLSAFE, 20)),
        "slack bot": shaped("xoxb-", (DIGITS, 12), "-", (DIGITS, 13), "-", (WORD, 24)),
        "slack user": shaped("xoxp-", (DIGITS, 12), "-", (DIGITS, 12), "-", (DIGITS, 13), "-", (HEX, 32)),
        "slack app": shaped("xapp-1-A0", (UPPER + DIGITS, 9), "-", (DIGITS, 13), "-", (HEX, 64)),
        "slack webhook": shaped(
            "hooks.slack.com/services/T0", (UPPER, 8), "/B0", (UPPER, 9), "/", (WORD, 24), write="https://{}"
        ),
        "stripe": one_of(
            shaped("sk_live_51", (WORD, 97)), shaped("rk_live_", (WORD, 24)), shaped("sk_test_", (WORD, 24))
        ),
        "stripe webhook": shaped("whsec_", (WORD, 32)),
        "openai": shaped("sk-proj-", (URLSAFE, 74), "T3BlbkFJ", (URLSAFE, 74), write="OPENAI_API_KEY={}"),
        "openai, old": shaped("sk-", (WORD, 20), "T3BlbkFJ", (WORD, 20)),
        "anthropic": shaped("sk-ant-api03-", (URLSAFE, 93), "AA", write="x-api-key: {}"),
        "hugging face": shaped("hf_", (LOWER + UPPER, 34), write="HF_TOKEN={}"),
        "npm": shaped("npm_", (WORD, 36), write="_authToken={}"),
        "pypi": shaped("pypi-AgEIcHlwaS5vcmcC", (URLSAFE, 155), write="password = {}"),
        "test pypi": shaped("pypi-AgENdGVzdC5weXBpLm9yZwIk", (URLSAFE, 140)),
        "sendgrid": shaped("SG.", (URLSAFE, 22), ".", (URLSAFE, 43)),
        "digitalocean": shaped("dop_v1_", (HEX, 64)),
        "docker": shaped("dckr_pat_", (URLSAFE, 27)),
        "databricks": shaped("dapi", (HEX, 32)),
        "vault": shaped("hvs.", (URLSAFE, 92)),
        "shopify": shaped("shpat_", (HEX, 32)),
        "airtable": shaped("pat", (WORD, 14), ".", (HEX, 64)),
        "cloudflare, no mark": shaped((URLSAFE, 40), write="CLOUDFLARE_API_TOKEN={}"),
    },
    "jwt": {
        "hs256": jwt(32, alg="HS256", typ="JWT"),
        "type first": jwt(32, typ="JWT", alg="HS512"),
        "rs256 with a key's id": jwt(256, alg="RS256", kid="2026-10", typ="JWT"),
        "es256": jwt(64, alg="ES256", typ="at+jwt"),
        "encrypted": jwe,
    },
    # `user:password` is the value; the rest of the URL is written around it
    "url_password": {
        "postgres": written("*_*:~", write="postgres://{}@db.wmjqv.eu:5432/orders"),
        "driver": written("*:~", write="SQLALCHEMY_URI=mysql+pymysql://{}@10.0.3.7/crm?charset=utf8mb4"),
        "mongo": written("*:~", write='"mongodb+srv://{}@cluster0.qzvxk.mongodb.net/?retryWrites=true"'),
        "redis, no user": written(":~", write="redis://{}@cache:6379/0"),
        "amqp, an @ in it": written("*:~@~", write="amqp://{}@localhost/%2F"),
        "https": written("*:~", "*%40*:~", write="git clone https://{}@git.wmjqv.eu/team/repository.git"),
        "ftp": written("*:~%23~", write="<ftp://{}@ftp.wmjqv.eu/incoming>"),
        "ipv6": written("*:~", write="http://{}@[2001:db8::1]:8080/"),
    },
    "email": {
        "plain": written("*@*.eu", "*.*@*.de", "**@*.co.uk", write="({})"),
        "tag": written("*+*@*.com", "*.*+NNN@*.org", write="mailto:{}?subject=hello"),
        "sub-domain": written("*@*.*.io", "*@mail.*.ac.jp", "*@a.b.c.*.net", write="{}, "),
        "signs": written("*_*-*@*-*.fr", "*%*@*.ch", "NNNN@*.com", "o'*@*.it"),
        "capitals": written("QZ.*@*.COM", write="To: {};"),
        "new domain": written("*@*.photography", "*@*.cloud", "*@*.museum", write="<{}>"),
        "not ascii": written("jö.*@*.de", "*@bücher-*.ch", "*@*.рф", "*@xn--*-kva.at", write="„{}“"),
        "inside": written("*@*.internal", "*@*.corp", write="contact={}."),
    },
    "card": {
        "visa": card("4", 16, 4, 4, 4, 4),
        "mastercard": card("53", 16, 4, 4, 4, 4),
        "mastercard, new range": card("2501", 16, 4, 4, 4, 4),
        "american express": one_of(card("34", 15, 4, 6, 5), card("37", 15, 4, 6, 5)),
        "discover": one_of(card("6011", 16, 4, 4, 4, 4), card("65", 16, 4, 4, 4, 4)),
        "jcb": card("3541", 16, 4, 4, 4, 4),
        "diners club": card("36", 14, 4, 6, 4),
        "unionpay": one_of(card("62", 16, 4, 4, 4, 4), card("62", 19, 6, 13), card("62", 19, 4, 4, 4, 4, 3)),
    },
    "phone": {
        "united states": written("+1206XNNNNNN", "+1 415-XNN-NNNN", "+1 (312) XNN-NNNN", "1-212-XNN-NNNN"),
        "united states, national": written("(503) XNN-NNNN", "617-XNN-NNNN", "702.XNN.NNNN", write="at {}."),
        "united kingdom": written("+44 20 79NN NNNN", "+44 (0)20 79NN NNNN", "+447720NNNNNN", "+44 7400 NNNNNN"),
        "united kingdom, national": written("020 79NN NNNN", "07720 NNNNNN", write="Phone: {}"),
        "germany": written("+49 30 2NNNNNNN", "+49 (0) 151 2NNNNNNN", "+49-89-4NNNNNN", "+4917012NNNNN"),
        "germany, national": written("030/2NNNNNNN", "0171 2NN NN NN", "0049 30 2NNNNNNN", write="Tel.: {}"),
        "france": written("+33 6 12 NN NN NN", "+33.1.42.NN.NN.NN", "+33142NNNNNN", write="tel:{}"),
        "italy": written("+39 06 698N NNNN", "+39 347 1NN NNNN"),
        "spain": written("+34 612 NNN NNN", "+34 91 4NN NN NN"),
        "netherlands": written("+31 6 1NNNNNNN", "+31 (0)20 62N NNNN"),
        "switzerland": written("+41 44 668 NN NN", "+41 79 2NN NN NN"),
        "austria": written("+43 1 5NNNNNN", "+43 664 1NNNNNN"),
        "australia": written("+61 2 9NNN NNNN", "+61 412 NNN NNN"),
        "india": written("+91 98NNN NNNNN", "+91-22-2NNN-NNNN"),
        "japan": written("+81 3-3NNN-NNNN", "+81 90-1NNN-NNNN"),
        "brazil": written("+55 11 9XNNN-NNNN", "+55 (21) 3NNN-NNNN"),
        "poland": written("+48 512 NNN NNN", "+48 22 6NN NN NN"),
        "singapore": written("+65 9123 NNNN", "+6581NNNNNN"),
        "south africa": written("+27 82 NNN NNNN", "+27 (0)21 4NN NNNN"),
        "mexico": written("+52 55 5NNN NNNN"),
    },
}
