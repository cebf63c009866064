"""Keys that sign commits, made for one test each, and Git's own word on what they signed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.required import required

ADDRESS = "gitslo-bot@example.com"


@dataclass(frozen=True, slots=True)
class Key:
    """One key.

    Attributes:
        kind: as `commit.signing` says it.
        private: the file with the private key.
        public: the public key's text.
        mark: the file that Git verifies by: allowed signers, or a GnuPG home.
    """

    kind: str
    private: Path
    public: str
    mark: Path

    def verified(self, repository: Path, commit: str) -> bool:
        """Whether Git takes the commit for signed by this key."""
        options = ("gpg.format=ssh", f"gpg.ssh.allowedSignersFile={self.mark}") if self.kind == "ssh" else ()
        argv = ["git", "-C", str(repository), *(part for option in options for part in ("-c", option))]
        argv += ["-c", "safe.directory=*", "verify-commit", "--raw", commit]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GNUPGHOME": str(self.mark)}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        good = f'Good "git" signature for {ADDRESS} ' if self.kind == "ssh" else "[GNUPG:] GOODSIG "
        return done.returncode == 0 and good in done.stderr


def ssh_key(folder: Path, kind: str = "ed25519", passphrase: str = "", *options: str) -> Key:
    """Of OpenSSH; `options` of ssh-keygen."""
    program = required("ssh-keygen")
    folder.mkdir(parents=True, exist_ok=True)
    private = folder / "key"
    argv = [str(program), "-q", "-t", kind, "-N", passphrase, "-C", ADDRESS, "-f", str(private), *options]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    public = private.with_suffix(".pub").read_text()
    signers = folder / "signers"
    signers.write_text(f"{ADDRESS} {public}")
    return Key("ssh", private, public, signers)


@contextlib.contextmanager
def gpg_key(
    folder: Path, *more: str, kind: str = "ed25519", passphrase: str = "", made: int = 0, expires: str = "never"
) -> Iterator[Key]:
    """Of GnuPG, in a home that is there as long as the block.

    Args:
        folder: where the exported key is put.
        more: arguments of further calls of gpg before the export, each in words; `FPR` stands for the fingerprint.
        kind, passphrase: of the key.
        made: when, seconds since the epoch; 0: now.
        expires: after which time.
    """
    program = required("gpg")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        environment = {"PATH": os.environ["PATH"], "GNUPGHOME": home, "HOME": home, "LC_ALL": "C"}

        def gpg(*words: str) -> str:
            argv = [str(program), "--batch", "--quiet", "--pinentry-mode=loopback", f"--passphrase={passphrase}"]
            argv += [f"--faked-system-time={made}!"] if made else []
            done = subprocess.run([*argv, *words], env=environment, capture_output=True, timeout=60, check=True)
            return done.stdout.decode()

        try:
            gpg("--quick-gen-key", f"gitslo bot <{ADDRESS}>", kind, "sign", expires)
            found = re.search(r"^fpr:+(\w+):", gpg("--with-colons", "--list-keys"), re.MULTILINE)
            assert found is not None
            for words in more:
                gpg(*words.replace("FPR", found[1]).split())
            private = folder / "key.asc"
            private.write_text(gpg("--armor", "--export-secret-keys"))
            yield Key("gpg", private, gpg("--armor", "--export"), Path(home))
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False, capture_output=True, timeout=60)
