"""How an object store is reached, where it is not the one of the usual AWS settings."""

from __future__ import annotations

from pydantic import Field

from components.store.config import Config


class Connection(Config):
    """An object store's address and manners; what is not said comes from the AWS settings.

    Never credentials: those come from the default AWS chain (environment, profile, web identity, instance). Web
    identity is what EKS gives a service account (IRSA): AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE, renewed by
    botocore before they run out. They go to AWS's own token service, whatever `endpoint` says.
    """

    endpoint: str | None = Field(None, pattern=r"^https?://[^/@?#\s]+/?$")
    """Where S3 answers, without a path; otherwise AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS itself."""
    region: str | None = None
    """The region to sign for; otherwise AWS_DEFAULT_REGION, the profile's, or us-east-1."""
    path_style: bool | None = None
    """Bucket in the path, not in the host name; without a value, botocore chooses: in the path at any endpoint but
    AWS's own."""
    ca_bundle: str | None = None
    """A file of CA certificates (PEM) to trust, otherwise AWS_CA_BUNDLE. boto3 trusts no other then; the fast reader
    trusts them besides the public ones."""


USUAL = Connection()
"""The store that the AWS settings name."""
