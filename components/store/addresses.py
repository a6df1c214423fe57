"""How model stores are named, without a library behind it; and which hosts are this machine."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field

ModelAddress = Annotated[str, Field(pattern=r"^(s3://[^/]+(/.*)?|hf://[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)$")]


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
