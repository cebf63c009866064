"""A certificate authority of one's own, made by the `openssl` command: what a company's servers are signed by."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority"]

_NEW = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority.

    Attributes:
        certificates: its own certificate, as a client needs it.
    """

    folder: Path

    @property
    def certificates(self) -> Path:
        return self.folder / "ca.pem"

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """A new one; `folder` is made and holds its key."""
        folder.mkdir(parents=True)
        made = cls(folder)
        _run(
            *(*_NEW, "-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=an authority"),
            *("-addext", "keyUsage=critical,keyCertSign"),
            folder=folder,
        )
        return made

    def sign(self, subject: str) -> tuple[Path, Path]:
        """A server's certificate and key; `subject` as in `IP:127.0.0.1` or `DNS:shop.dev.svc`."""
        name = subject.replace(":", "-")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={subject}\nbasicConstraints=CA:FALSE\n")
        _run(*_NEW, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=a server", folder=self.folder)
        _run(
            *("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "7"),
            *("-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem"),
            folder=self.folder,
        )
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


def _run(*argv: str, folder: Path) -> None:
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
