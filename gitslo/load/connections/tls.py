"""TLS contexts for load: what a target's settings and the operator's material come to.

Called by `worker.dial`, by `engines.own` for what is refused before a worker is there, and by the wiring.
"""

from __future__ import annotations

import os
import ssl

from gitslo.errors import Problem, Refused
from gitslo.model import Target, TlsVersion
from gitslo.ports import TlsMaterial

__all__ = ["context"]

_VERSIONS = {TlsVersion.TLS_1_2: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS_1_3: ssl.TLSVersion.TLSv1_3}


def context(target: Target, material: TlsMaterial, protocol: str) -> ssl.SSLContext:
    """What connections to a target are made with.

    Args:
        target: one with `tls`.
        material: PEM.
        protocol: the one that ALPN offers, `http/1.1` or `h2`.

    Raises:
        Refused: the material cannot be used; says which part.
    """
    settings = target.settings
    try:
        made = ssl.create_default_context(cadata=material.ca.decode("ascii") if material.ca else None)
    except (ssl.SSLError, ValueError) as error:
        raise _refused("ca", settings.ca, error) from error
    made.minimum_version = _VERSIONS[settings.min_version]
    if settings.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    made.set_alpn_protocols([protocol])
    if material.certificate:
        _show(made, material, settings.certificate)
    return made


def _show(made: ssl.SSLContext, material: TlsMaterial, name: str) -> None:
    # The ssl module reads a chain from files only. This one has no name that anybody else could open.
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, material.certificate.rstrip() + b"\n" + material.key)
        made.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _refused("certificate", name, error) from error
    finally:
        os.close(descriptor)


def _no_password() -> str:
    raise ValueError("the key has a password, and there is nobody to type it")


def _refused(part: str, name: str, error: Exception) -> Refused:
    said = (error.reason or "").replace("_", " ").lower() if isinstance(error, ssl.SSLError) else str(error)
    return Refused(Problem(f"`tls.{part}` ({name}) cannot be used: {said or 'no PEM that OpenSSL reads'}"))
