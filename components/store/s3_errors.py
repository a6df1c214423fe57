"""What boto3 raises, as the errors that the rest of the project knows: with the object's address, never a secret."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from boto3.exceptions import RetriesExceededError
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from components.store.addresses import bare
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.s3_client import EXPIRED, code

BROKEN_OFF = (aws.HTTPClientError, aws.IncompleteReadError, aws.ResponseStreamingError, ResponseParserError)
"""An answer that did not arrive whole; botocore does not ask again for those whose body breaks off."""

MISSING = {"NoSuchKey", "404", "NotFound", "NoSuchVersion"}
PRECONDITION = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
DAMAGED_ON_THE_WAY = {"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}

FULL = {"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge", "507", "413"}
"""No room: a quota, a full disk behind a server of one's own, or an object larger than it takes."""

ARCHIVED = {"InvalidObjectState"}
_DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
_BAD_CREDENTIALS = EXPIRED | {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure"}


class DamagedError(Exception):
    """The bytes are not those that the checksum, the ETag or the listing promise."""


@contextlib.contextmanager
def typed(uri: str, *, action: str = "ListBucket") -> Iterator[None]:
    """Turn what boto3 raises about `uri` into a typed error that names it and the fix.

    Raises:
        UserError: ACCESS_DENIED, BAD_CREDENTIALS, NO_CREDENTIALS, NO_SUCH_BUCKET, OBJECT_ARCHIVED, S3_SETTINGS,
            S3_UNREACHABLE, S3_UNTRUSTED, STORE_FULL.
        TransientError: S3_FAILED, S3_INTERRUPTED.
        TouchstoneError: NO_SUCH_OBJECT, OBJECT_DAMAGED, SNAPSHOT_CHANGED.
    """
    try:
        yield
    except aws.ClientError as error:
        raise _answer(uri, action, error) from None
    except (DamagedError, aws.FlexibleChecksumError) as error:
        raise _damaged(uri, str(error)) from None
    except (aws.BotoCoreError, RetriesExceededError, ResponseParserError, ValueError) as error:
        raise _trouble(uri, error) from None


def _trouble(uri: str, error: Exception) -> TouchstoneError:
    """The typed error for a request that got no answer, or could not be made."""
    if isinstance(error, (aws.CredentialRetrievalError, aws.SSOError, aws.TokenRetrievalError)):
        return UserError("BAD_CREDENTIALS", f"{uri}: the credentials cannot be renewed", found=type(error).__name__)
    if isinstance(error, (aws.NoCredentialsError, aws.PartialCredentialsError, aws.ProfileNotFound)):
        fix = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the pod a role."
        return UserError("NO_CREDENTIALS", f"{uri}: no AWS credentials found", fix=fix)
    if isinstance(error, aws.SSLError):
        fix = "Name the file of its authority's certificates (ca_bundle, AWS_CA_BUNDLE)."
        return UserError("S3_UNTRUSTED", f"{uri}: the server's certificate is not trusted", fix=fix)
    if isinstance(error, (aws.EndpointConnectionError, aws.ConnectTimeoutError)):
        endpoint = bare(str(error.kwargs.get("endpoint_url", "the endpoint")))
        fix = "Check AWS_ENDPOINT_URL_S3 and that the server is up."
        return UserError("S3_UNREACHABLE", f"{uri}: nobody answers at {endpoint}", fix=fix)
    if isinstance(error, (*BROKEN_OFF, RetriesExceededError)):
        return TransientError("S3_INTERRUPTED", f"{uri}: the transfer broke off", found=type(error).__name__)
    return UserError("S3_SETTINGS", f"{uri}: the S3 client cannot be set up", found=str(error))


def _answer(uri: str, action: str, error: aws.ClientError) -> TouchstoneError:
    """The typed error for what the server answered."""
    name = code(error)
    if name == "NoSuchBucket" or (action == "ListBucket" and name in MISSING):
        return UserError("NO_SUCH_BUCKET", f"{uri}: there is no such bucket", fix="Create it, or correct the recipe.")
    if name in _BAD_CREDENTIALS:
        return UserError("BAD_CREDENTIALS", f"{uri}: the credentials were refused", found=name, fix="Renew them.")
    if name in _DENIED or name.startswith("KMS."):
        return _denied(uri, action, error)
    if name in FULL or name in ARCHIVED:
        return _not_now(uri, name)
    if name in PRECONDITION:
        fix = "Run again: a new snapshot is taken."
        return TouchstoneError("SNAPSHOT_CHANGED", f"{uri} was replaced after the snapshot", fix=fix)
    if name in DAMAGED_ON_THE_WAY:
        return _damaged(uri, name)
    if name in MISSING:
        return TouchstoneError("NO_SUCH_OBJECT", f"{uri} does not exist")
    return TransientError("S3_FAILED", f"{uri}: the server answered {name or 'an error'} to {action}")


def _not_now(uri: str, name: str) -> UserError:
    """S3 would, but for a quota or an archive."""
    if name in FULL:
        fix = "Make room, or raise its limit."
        return UserError("STORE_FULL", f"{uri}: the store takes no more", found=name, fix=fix)
    fix = "Restore it from the archive, or move it out of the source."
    return UserError("OBJECT_ARCHIVED", f"{uri} lies in an archive", found=name, fix=fix)


def _damaged(uri: str, found: str) -> TouchstoneError:
    fix = "Something between the store and here changes bytes, or the store itself is damaged."
    return TouchstoneError("OBJECT_DAMAGED", f"{uri} arrives damaged", found=found, fix=fix)


def _denied(uri: str, action: str, error: aws.ClientError) -> UserError:
    """S3 refused, or the key service behind it did."""
    kms = code(error).startswith("KMS.") or "kms:" in str(error.response.get("Error", {}).get("Message", ""))
    right, where = ("kms:Decrypt", f"the key of {uri}") if kms else (f"s3:{action}", uri)
    return UserError("ACCESS_DENIED", f"{uri}: access denied", found=f"no {right}", fix=f"Allow {right} on {where}.")
