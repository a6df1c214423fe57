r"""What personal data and secrets look like. Each pattern is RE2's syntax; `personal` says what else must hold.

RE2 (google-re2, BSD) reads a text once, in linear time however hostile the text is; for that it knows no look-around,
so what stands beside a value is looked at afterwards. A pattern's group is the value; without one, all of it is.

The patterns are written from these sources:

- tokens and keys known by their beginning: the default rules of gitleaks (MIT). GitHub, GitLab, Slack and Stripe
  document theirs too, and AWS its own in the IAM guide, "Understanding unique ID prefixes"
- Azure keys, known by a mark inside them: microsoft/security-utilities (MIT)
- private keys: RFC 7468 (PEM), RFC 9580 (OpenPGP armor); JWT: RFC 7515, RFC 7516; URLs: RFC 3986, 3.2.1
- e-mail: RFC 5322, without comments and quoted names; example domains: RFC 2606, some of them unknown to IANA
- cards: the issuers' ranges by ISO/IEC 7812; phones: the shapes of ITU-T E.123
"""

from __future__ import annotations

import re

SHORT = 8
"""Repetitions that `loosened` leaves: so few that RE2 keeps every state, so many that few texts are suspicious."""


def either(*patterns: str) -> str:
    """A pattern for any of `patterns`."""
    return "|".join(patterns)


def loosened(pattern: str) -> str:
    """A pattern found wherever `pattern` is, and in more places: "n times" becomes "n or 8 times, or more"."""
    return re.sub(r"\{([1-9]\d*)(,\d*)?\}", lambda count: f"{{{min(SHORT, int(count[1]))},}}", pattern)


_BLOCK = r"(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5}"
PRIVATE_KEY = rf"-{{4,5}} ?BEGIN {_BLOCK}(?:[^-]|-[^-])*(?:-{{4,5}} ?END {_BLOCK})?"
"""The block, or, where its end is missing, everything up to the next dashes."""

_BETWEEN_LINES = r"[\s\"',;+>|*#\\]*"
UNFINISHED_KEY = (
    r"-+[^-]+-+(?:\s*[A-Z][A-Za-z-]+: \S+)*"
    rf"(?:{_BETWEEN_LINES}[A-Za-z0-9+/=]{{16,}})+(?:{_BETWEEN_LINES}[A-Za-z0-9+/=]+)?"
)
"""Of a block without its end: the lines of base64, and the shorter last one."""

BASE64 = r"[A-Za-z0-9+/=]{16,}"

_IS = r"[\"'`]?[\s:=>(|]{1,8}(?:is )?[\"'`]?"
"""What stands between a key's name and the key."""

CONTEXT_KEYS = (
    # AWS: no mark of its own; behind its name, or behind the id of its pair as in the console's CSV
    rf"(?i:secret[ _-]?(?:access[ _-]?)?key){_IS}([A-Za-z0-9/+]{{40}})(?:[^A-Za-z0-9/+=]|$)",
    r"(?:AKIA|ASIA)[A-Z2-7]{16}[\s,;:|\"']{1,4}([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
    rf"(?i:session[ _-]?token){_IS}([A-Za-z0-9/+=]{{100,}})",
    # Azure: keys from before their marks, of 64 and 32 bytes
    rf"(?i:(?:account|storage|access|primary|secondary)[ _-]?key){_IS}([A-Za-z0-9+/]{{86}}==|[A-Za-z0-9+/]{{43}}=)",
)
"""Cloud keys that only their context tells from a hash."""

CLOUD_KEY = either(
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    r"ABSK[A-Za-z0-9+/]{100,}={0,2}",  # AWS Bedrock
    r"AIza[\w-]{35,}",  # Google: API key, OAuth client secret, access token
    r"GOCSPX-[\w-]{28,}",
    r"ya29\.[\w.-]{30,}",
    r"[A-Za-z0-9+/]{76}(?:\+ASt|ACDb|\+ABa|/AM7|APIM)[A-Za-z0-9+/]{5}[AQgw]==",  # Azure
    r"[A-Za-z0-9+/]{33}(?:\+ASb|\+AEh|\+ARm|AIoT|AzCa)[A-P][A-Za-z0-9+/]{5}=",
    r"[A-Za-z0-9+/]{42}(?:AzSe|\+ACR)[A-D][A-Za-z0-9+/]{5}",
    r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}",
    r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}",
    r"[\w~.-]{3}[78]Q~[\w~.-]{31,34}",
    r"\bsig=[A-Za-z0-9%/+]{40,}(?:%3[Dd]|=)",
)

SERVICE_TOKEN = either(
    r"gh[pousr]_\w{36,}(?:\.[\w-]+){0,2}",  # GitHub
    r"github_pat_\w{36,}",
    r"gl(?:pat|oas|dt|rt|rtr|cbt|ptt|ft|imt|agent|wt|soat|ffct)-[\w-]{20,}(?:\.[0-9a-z]{2,9}){0,2}",  # GitLab
    r"GR1348941[\w-]{20,}",
    r"xox[a-z](?:\.xox[a-z])?-[\w-]{10,}",  # Slack
    r"xapp-\d-[\w-]{10,}",
    r"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,}",
    r"[rs]k_(?:live|test|prod)_\w{10,}",  # Stripe
    r"whsec_[A-Za-z0-9+/=]{24,}",
    r"\bsk-(?:proj|svcacct|admin|ant|or)-[\w-]{20,}",  # OpenAI, Anthropic, OpenRouter
    r"\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20,}",
    r"\bhf_[A-Za-z0-9]{34,}",  # Hugging Face
    r"\bapi_org_[A-Za-z0-9]{34,}",
    r"\bnpm_[A-Za-z0-9]{36,}",
    r"pypi-AgE[\w-]{50,}",
    r"rubygems_[a-f0-9]{48,}",
    r"dckr_(?:pat|oat)_[\w-]{20,}",  # Docker
    r"do[opr]_v1_[a-f0-9]{64,}",  # DigitalOcean
    r"\bdapi[a-f0-9]{32}(?:-\d)?",  # Databricks
    r"hv[sb]\.[\w-]{24,}",  # HashiCorp Vault, Terraform
    r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}",
    r"ATATT3[\w=-]{50,}",  # Atlassian
    r"\bSG\.[\w-]{16,32}\.[\w-]{16,64}",  # SendGrid
    r"\bSK[0-9a-f]{32}\b",  # Twilio
    r"\bkey-[0-9a-f]{32}\b",  # Mailgun
    r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32,}",  # Shopify
    r"sq0[a-z]{3}-[\w-]{22,}",  # Square
    r"glsa_\w{32}_[0-9a-fA-F]{8}",  # Grafana
    r"glc_[A-Za-z0-9+/]{32,}={0,2}",
    r"sntry[su]_[\w+/=]{40,}",  # Sentry
    r"\bpat\w{14}\.[a-f0-9]{64}",  # Airtable
    r"lin_api_\w{40,}",  # Linear
    r"ntn_\w{40,}",  # Notion
    r"NRAK-[A-Z0-9]{27,}",  # New Relic
    r"PMAK-[a-f0-9]{24}-[a-f0-9]{34,}",  # Postman
    r"pul-[a-f0-9]{40,}",  # Pulumi
    r"AKCp[A-Za-z0-9]{69,}",  # JFrog
    r"pplx-\w{48,}",  # Perplexity
    r"HRKU-AA[\w-]{58,}",  # Heroku
    r"\b\d{8,10}:AA[\w-]{33}",  # Telegram
)

PLACEHOLDER = either(*(f"[{letter}]{{6}}" for letter in "xX0*."), "EXAMPLE", "(?i:abcdefghijklmnopqrstuvwxyz)")
"""What a key has that nobody was given."""

JWT = r"eyJ[\w-]{8,}\.[\w-]*\.[\w-]*(?:\.[\w-]*\.[\w-]*)?"

URL_USER = r"[A-Za-z0-9]://([^\s\x00/?#@:\"'<>`]*:[^\s\x00/?#\"'<>`]+)@"
URL_USER_BEGUN = r"://[^\s/]*:$"
NOT_YET_FILLED = (
    r"\$[A-Z][A-Z0-9_]*|\$[a-z_]+|\$?\{.*\}|\[.*\]|%\w+%|\*+|\.+|"
    r"(?i:x+|(?:your|my)?[_-]?(?:pass(?:word|wd)?|pwd|secret|token|change-?(?:it|me)))"
)

EMAIL = r"[\pL\pN_](?:[\pL\pN._%+&'-]*[\pL\pN_+-])?@(?:[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.)+(?:\pL{2,}|xn--[A-Za-z0-9-]+)"
EMAIL_HINT = r"[\w\x80-\x{10ffff}+-]@[\w\x80-\x{10ffff}-]+\."
"""Without the classes of Unicode, which would be most of the automaton that every text goes through."""
EXAMPLE_DOMAINS = (".example.com", ".example.net", ".example.org")
PRIVATE_TLDS = {"internal", "local", "intranet", "private", "corp", "home", "lan"}
"""In use inside companies, though nobody can register them: RFC 6762, Appendix G."""

_GAP = "[ .\u00a0-]"
CARD = either(
    rf"\b\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}{_GAP}\d{{4}}(?:{_GAP}\d{{3}})?\b",
    rf"\b\d{{4}}{_GAP}\d{{6}}{_GAP}\d{{4,5}}\b",
    rf"\b\d{{6}}{_GAP}\d{{13}}\b",
    r"\b\d{14,19}\b",
)
ISSUER = either(
    r"4\d{15}(?:\d{3})?",  # Visa
    r"5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}",  # Mastercard
    r"3[47]\d{13}",  # American Express
    r"(?:6011|64[4-9]\d|65\d\d)\d{12}",  # Discover
    r"35(?:2[89]|[3-8]\d)\d{12}",  # JCB
    r"3(?:0[0-5]|09|[689]\d)\d{11}",  # Diners Club
    r"62\d{14}(?:\d{3})?",  # UnionPay
)

BETWEEN_DIGITS = " ./()\u00a0\u2009\u2010\u2011\u2012\u2013\u202f-"
_DIGITS = rf"(?:[{BETWEEN_DIGITS}]{{0,3}}\d)"
INTERNATIONAL_PHONE = rf"\+\(?[1-9]{_DIGITS}{{6,16}}"
AMERICAN_PHONE = r"(?:\b1[ .-])?(?:\(\d{3}\) ?|\b\d{3}[.-])\d{3}[.-]\d{4}\b"
_PHONE = either(
    r"tele?(?:ph|f)one?", "phone", r"t[eé]l(?:[eé](?:ph|f)o(?:ne|no|n))?", r"mobile?", "cell", "handy", "fax", "sms"
)
NATIONAL_PHONE = (
    rf"(?i:\b(?:(?:{_PHONE})\b[^\d+]{{0,20}}?|(?:call|dial)(?: us| me)?(?: at| on)?:? ))(\(?\d{_DIGITS}{{6,14}})"
)
"""A number behind a word that says what it is."""

DATE = r"\d{4}-\d\d-\d\d"
