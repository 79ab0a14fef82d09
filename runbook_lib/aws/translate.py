"""AWS's errors, sorted by what the reader must do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoRegionError, ParamValidationError
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from runbook_lib.aws import sign_in
from runbook_lib.errors import (
    AccessDenied,
    CredentialsRefused,
    InputRefused,
    NotFound,
    RunbookError,
    StepFailed,
    TryLater,
    Unreachable,
)

# Codes as AWS sends them, which are not always the shape's name (StorageQuotaExceededFault sends StorageQuotaExceeded).
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "NotAuthorized",
}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_INVALID = {
    "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure",
    "InvalidAccessKeyId", "IncompleteSignature", "MissingAuthenticationToken", "InvalidSignatureException",
}  # fmt: skip
_BUSY = {
    "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "ServiceUnavailable",
    "InternalFailure", "InternalError", "InternalServerError", "RequestTimeout", "SlowDown",
}  # fmt: skip
_CAPACITY = {
    "InsufficientDBClusterCapacityFault",
    "InsufficientDBInstanceCapacity",
    "InsufficientStorageClusterCapacity",
}
_CHANGING = {"InvalidDBClusterStateFault", "InvalidDBInstanceState"}
"""What RDS answers while a cluster or instance is being changed, also when its status does not say so yet."""
_NO_OBJECT = {"NoSuchKey", "NoSuchBucket"}  # S3's words for it
_KMS = {"KMSKeyNotAccessibleFault", "KMSKeyNotAccessible"}
_WRONG_CLOCK = {"RequestTimeTooSkewed", "RequestInTheFuture"}


@contextmanager
def translated(service: str, operation: str, *, profile: str = "") -> Iterator[None]:
    """Turn whatever boto3 raises inside into one of our errors, which says what to do.

    `profile` is the one in use, for the command that signs in again.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError, OSError) as error:
        if found := sign_in.failure(error, profile=profile):
            raise found from error
        raise _other(error, service, operation, profile) from error
    except JSONDecodeError:
        # From None: the parser's error would quote what may be a credential.
        said = "A program or file that the sign-in needs holds what is not JSON."
        raise CredentialsRefused(said, hint="Look at credential_process in ~/.aws/config, and at ~/.aws/sso.") from None


def _other(error: Exception, service: str, operation: str, profile: str) -> RunbookError:
    if isinstance(error, ClientError):
        return _of_code(error, service, operation, sign_in.hint(profile))
    if isinstance(error, NoRegionError):
        return InputRefused("No AWS region is set.", hint='Set `region`, for example "ap-northeast-1".')
    if isinstance(error, ParamValidationError):
        return InputRefused(f"{operation} was not sent: {_one_line(str(error))}", hint="Correct that value.")
    if isinstance(error, (BotoConnectionError, HTTPClientError, ResponseParserError, OSError)):
        return unanswered(service, operation)
    return StepFailed(f"{service} {operation} failed: {_one_line(str(error))}")


def unanswered(service: str, operation: str) -> Unreachable:
    """Return the error of a service that no answer came from."""
    return Unreachable(
        f"AWS did not answer {service} {operation}.",
        hint="Check the network, the proxy and the region (or AWS_ENDPOINT_URL), then run again. A VPC without a NAT "
        f"gateway needs an interface endpoint for {service}.",
        service=service,
    )


def _of_code(error: ClientError, service: str, operation: str, again: str) -> RunbookError:
    detail = error.response.get("Error", {})
    code, message = str(detail.get("Code", "")), _one_line(str(detail.get("Message", "")))
    facts = {"code": code, "service": service, "operation": operation}
    said = f"{service} {operation}: AWS says {code}: {message}"
    if code in _WRONG_CLOCK or "Signature expired" in message or "Signature not yet current" in message:
        said = "AWS refuses the time of this machine's clock."
        return CredentialsRefused(said, hint="Set the clock right, then run again.", **facts)
    if code in _EXPIRED:
        return CredentialsRefused("The AWS credentials have expired.", hint=again, **facts)
    if code in _INVALID:
        return CredentialsRefused("AWS does not accept these credentials.", hint=again, **facts)
    if code in _DENIED:
        return AccessDenied(
            f"AWS does not allow {service}:{operation} to this caller.",
            hint=f"Ask for the permission {service}:{operation}; AWS says: {message}",
            **facts,
        )
    if code in _BUSY:
        return TryLater(said, hint="Wait a minute and run again; what was made is found and taken up.", **facts)
    if code in _CHANGING:
        return TryLater(said, hint="Wait until it is available, and run again.", **facts)
    if code in _CAPACITY:
        return TryLater(said, hint="Choose another availability zone or instance class, and run again.", **facts)
    if code in _KMS:
        return AccessDenied(said, hint="Give this caller and RDS the use of the KMS key, and run again.", **facts)
    if "QuotaExceeded" in code or "LimitExceeded" in code:
        return StepFailed(said, hint="Delete what is no longer needed, or ask AWS to raise the quota.", **facts)
    if code in _NO_OBJECT or code.endswith(("NotFound", "NotFoundFault", "NotFoundException")):
        return NotFound(said, hint="Check the name, the account and the region.", **facts)
    if code.endswith(("AlreadyExists", "AlreadyExistsFault")):
        return InputRefused(said, hint="Choose another name, or resume the run that made it.", **facts)
    if code.startswith(("InvalidParameter", "ValidationError", "InvalidRestore")):
        return InputRefused(said, hint="Correct the value that AWS names.", **facts)
    return StepFailed(said, hint="Look the code up in AWS's documentation of this call.", **facts)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
