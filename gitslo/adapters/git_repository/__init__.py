"""A Git remote and branch, read and written without a work tree, through a bare clone that may be lost at any time.

Used by the loop as `ports.Repository`; built by the wiring. `repository` is the adapter: it puts together `reading`
(trees and blobs), `commits` (building them), `publish` (the compare-and-swap push) on top of `clone` (the cache) and
`process` (one Git process; the only place that knows GitPython). `signing` signs commits by `ssh_signing` or
`gpg_signing` (which starts `gpg_child`). `grammar`, `objects`, `replies` and `faults` are pure.

**Invariants**
* every argument vector is a constant shape: what comes from outside is checked by `grammar` first, and goes to standard
  input wherever Git can read it there;
* no credential is in a URL, an argument vector, an environment or an error text;
* nothing that matters is only in the clone: deleting or damaging it costs one fetch.
"""

from gitslo.adapters.git_repository.gpg_signing import GpgSigning
from gitslo.adapters.git_repository.repository import GitRepository
from gitslo.adapters.git_repository.signing import Signer, SigningKey
from gitslo.adapters.git_repository.ssh_signing import SshSigning

__all__ = ["GitRepository", "GpgSigning", "Signer", "SigningKey", "SshSigning"]
