"""An account's signing key made known to a real Gitea, and proven there to be the account's, as a person does it.

An OpenPGP key is proven through the API; for an SSH key there is only the page, so it is proven with the page's form.
"""

from __future__ import annotations

import base64
import http.cookiejar
import json
import re
import subprocess
import urllib.parse
import urllib.request

from tests.gitea_server import Account, GiteaServer
from tests.signing.keys import Key

__all__ = ["make_known"]


def make_known(server: GiteaServer, who: str, key: Key) -> None:
    """Register the key for this account, and prove that the account has it."""
    account = server.accounts[who]
    if key.kind == "gpg":
        _openpgp(server, account, key)
    else:
        _ssh(server, account, key)


def _openpgp(server: GiteaServer, account: Account, key: Key) -> None:
    row = json.loads(_ask(server, account, "/user/gpg_keys", {"armored_public_key": key.public}))
    token = _ask(server, account, "/user/gpg_key_token").decode()
    argv = ["gpg", "--batch", "--homedir", str(key.mark), "--armor", "--detach-sign"]
    signature = subprocess.run(argv, input=token.encode(), capture_output=True, check=True, timeout=60).stdout.decode()
    proof = {"key_id": row["key_id"], "armored_signature": signature}
    assert json.loads(_ask(server, account, "/user/gpg_key_verify", proof))["verified"]


def _ssh(server: GiteaServer, account: Account, key: Key) -> None:
    row = json.loads(_ask(server, account, "/user/keys", {"title": key.public[-40:], "key": key.public}))
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def page(path: str, form: dict[str, str] | None = None) -> str:
        data = None if form is None else urllib.parse.urlencode(form).encode()
        with browser.open(f"{server.url}{path}", data, timeout=30) as answer:
            found: str = answer.read().decode()
        return found

    page("/user/login", {"user_name": account.name, "password": account.password})
    place = "/user/settings/keys"
    shown = page(f"{place}?verify_ssh={urllib.parse.quote(row['fingerprint'])}")
    token = re.search(r"echo -n &#39;([0-9a-f]{64})&#39;|echo -n '([0-9a-f]{64})'", shown)
    assert token is not None, shown[-3000:]
    argv = ["ssh-keygen", "-q", "-Y", "sign", "-n", "gitea", "-f", str(key.private)]
    asked = (token[1] or token[2]).encode()
    signature = subprocess.run(argv, input=asked, capture_output=True, check=True, timeout=60).stdout.decode()
    form = {"type": "verify_ssh", "title": "none", "content": row["key"]}
    said = page(place, {**form, "fingerprint": row["fingerprint"], "signature": signature})
    assert f"verify_ssh={row['fingerprint']}" not in said


def _ask(server: GiteaServer, account: Account, path: str, body: object = None) -> bytes:
    """One call of the API, by password: no token of these accounts may add keys."""
    basic = base64.b64encode(f"{account.name}:{account.password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - a loopback address of ours
        f"{server.url}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {basic}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        found: bytes = answer.read()
    return found
