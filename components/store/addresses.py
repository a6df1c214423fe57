"""How model stores are named, without a library behind it; and which hosts are this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import Field

BUCKET = r"s3://[^/@:\s]+(/.*)?"
"""An S3 address. A recipe is kept, compiled and shown: no address in one may carry a user, a password or a query."""

ModelAddress = Annotated[str, Field(pattern=rf"^({BUCKET}|hf://[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)$")]
Endpoint = Annotated[str, Field(pattern=r"^https?://[^/@?#\s]+(/[^@?#\s]*)?$")]


_CARRIED = re.compile(r"(?<=//)[^/\s'\"]*@|\?[^\s'\"]*")


def bare(text: str) -> str:
    """A text without what its addresses carry: user and password, query."""
    return _CARRIED.sub("...", text) if "://" in text else text


def is_store(address: str) -> bool:
    """Whether an address names a model store, and no folder."""
    return address.startswith(("s3://", "hf://"))


def on_hub(address: str) -> bool:
    """Whether an address names a repository of the Hugging Face Hub."""
    return address.startswith("hf://")


def on_loopback(host: str) -> bool:
    """Whether what is sent to that host never leaves this machine, so that it needs no encryption."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_reference(reference: str) -> tuple[str, str]:
    """`address@revision` in its two parts; the revision is empty when the reference floats."""
    address, at, revision = reference.rpartition("@")
    return (address, revision) if at and "/" not in revision else (reference, "")
