"""Every way of boto3 to sign in that can fail: one sentence on what is wrong, one on what to do, exit code 2."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

from botocore import exceptions as boto

from runbook_lib.errors import CredentialsRefused, InputRefused, RunbookError

OPERATIONS = {
    # operations of STS, SSO and the like that botocore calls by itself to get credentials
    "AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetRoleCredentials", "CreateToken",
    "CreateOAuth2Token", "GetSessionToken", "RegisterClient", "StartDeviceAuthorization",
}  # fmt: skip
_CONFIGURATION = (
    boto.ConfigNotFound, boto.ConfigParseError, boto.InvalidConfigError, boto.UnknownCredentialError,
    boto.ProfileNotFound, boto.InvalidRetryConfigurationError, boto.InvalidProxiesConfigError,
    boto.InvalidIMDSEndpointError, boto.InvalidIMDSEndpointModeError, boto.InvalidEndpointConfigurationError,
    boto.InvalidSTSRegionalEndpointsConfigError,
)  # fmt: skip


def hint(profile: str = "") -> str:
    """Say how to sign in again, with the profile's name where there is one."""
    name = profile or os.environ.get("AWS_PROFILE", "")
    command = f"aws sso login --profile {name}" if name else "aws sso login"
    return f"Sign in again (for example `{command}`), or set AWS_PROFILE or the access key variables, and run again."


def failure(error: Exception, *, profile: str = "") -> RunbookError | None:
    """Return the error that a reader is shown for one that says that nobody is signed in; None for any other."""
    name = profile or os.environ.get("AWS_PROFILE", "")
    of, option = (f' of the profile "{name}"', f" --profile {name}") if name else ("", "")
    if isinstance(error, boto.NoCredentialsError):
        return CredentialsRefused("No AWS credentials were found on this machine.", hint=hint(profile))
    if isinstance(error, boto.PartialCredentialsError):
        missing = error.kwargs.get("cred_var", "a part")
        return CredentialsRefused(f"The AWS credentials{of} are incomplete: {missing} is missing.", hint=hint(profile))
    if isinstance(error, boto.SSOTokenLoadError):
        said = f"Nobody has signed in to IAM Identity Center{of} on this machine."
        return CredentialsRefused(said, hint=f"Run `aws sso login{option}`, then run again.")
    if isinstance(error, (boto.SSOError, boto.TokenRetrievalError, boto.NoAuthTokenError)):
        said = f"The single sign-on{of} has expired or cannot be used."
        return CredentialsRefused(said, hint=f"Run `aws sso login{option}`, then run again.")
    if isinstance(error, boto.LoginError):
        said = f"The sign-in by `aws login`{of} has expired or was never made."
        return CredentialsRefused(said, hint=f"Run `aws login{option}`, then run again.")
    if isinstance(error, boto.RefreshWithMFAUnsupportedError):
        said = f"The session{of} was opened with an MFA code and has expired."
        return CredentialsRefused(said, hint="Get a new session with a new code, then run again.")
    if isinstance(error, boto.MissingDependencyException):
        said = f"The way in which the profile{' ' + name if name else ''} signs in needs a package that is missing."
        return CredentialsRefused(said, hint='Install it: pip install "botocore[crt]", then run again.')
    if isinstance(error, (boto.CredentialRetrievalError, boto.MetadataRetrievalError)):
        # what the provider said may hold a secret, and is left out
        provider = str(error.kwargs.get("provider") or "the instance's metadata")
        said = f"The AWS credentials{of} could not be fetched by {provider}."
        return CredentialsRefused(said, hint=f"Run `aws sts get-caller-identity{option}`: it shows why.")
    if isinstance(error, _CONFIGURATION):
        said = f"AWS's configuration cannot be used: {' '.join(str(error).split())}"
        return InputRefused(said, hint="Correct ~/.aws/config (or the file that AWS_CONFIG_FILE names).")
    if isinstance(error, boto.ClientError) and error.operation_name in OPERATIONS:
        return _refused_by_aws(error, of=of, option=option)
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        said = f"A program or file that the sign-in{of} needs cannot be used: {error.strerror or type(error).__name__}"
        where = f" ({error.filename})" if error.filename else ""
        return CredentialsRefused(f"{said}{where}.", hint="Correct ~/.aws/config, or sign in another way.")
    return None


def _refused_by_aws(error: boto.ClientError, *, of: str, option: str) -> CredentialsRefused:
    detail: dict[str, Any] = dict(error.response.get("Error", {}))
    code, message = str(detail.get("Code", "")), " ".join(str(detail.get("Message", "")).split())
    facts = {"code": code, "operation": error.operation_name}
    if "MultiFactorAuthentication" in message or "MFA" in message:
        said = f"AWS did not accept the MFA code{of}."
        return CredentialsRefused(said, hint="Sign in outside with a new code, then run again.", **facts)
    said = f"The role{of} could not be taken on: {error.operation_name} answers {code}: {message}"
    return CredentialsRefused(said, hint=f"Run `aws sts get-caller-identity{option}`: it shows the same.", **facts)


def ask_for_code(prompt: str) -> str:
    """Ask for an MFA code where somebody can type one: at a terminal, or under a notebook's cell.

    Raises:
        CredentialsRefused: nobody can, as in every headless run.
    """
    in_kernel = "ipykernel" in sys.modules and getattr(getpass.getpass, "__module__", "getpass") != "getpass"
    try:
        if in_kernel or (sys.stdin is not None and sys.stdin.isatty()):
            return getpass.getpass(prompt)
    except (EOFError, OSError, RuntimeError):  # ipykernel's StdinNotImplementedError is a RuntimeError or its like
        pass
    raise CredentialsRefused(
        "This profile asks for an MFA code, and nobody can type one in this run.",
        hint="Open a session outside (`aws sts get-session-token`, or single sign-on), and run with its credentials.",
    )
