from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.config import Operator, load_sources, parse_operator, parse_sources_file
from gitslo.errors import Refused
from gitslo.identities import Basic, CertificateFiles, ClientCredentials
from gitslo.model import Target, TargetScheme, TlsSettings
from gitslo.secret import SecretRef
from gitslo.source_config import (
    HeaderSecret,
    Keys,
    KubernetesConfig,
    PackagedConfig,
    PresetConfig,
    PrometheusConfig,
    RestConfig,
    Server,
    Signature,
    SourceConfig,
    SqlConfig,
)
from gitslo.wiring import secrets_of

HEAD = """\
schema: gitslo/v1
repositories:
  - {name: shop, url: "file:///srv/git/shop.git", allow: {sources: [prom, "influx-*"]}}
certificates:
  acme-ca: {file: /etc/gitslo/acme.pem}
  own: {certificate: /etc/gitslo/own.pem, key: /etc/gitslo/own.key}
"""

WHOLE = """\
sources:
  prom:
    prometheus: https://prom.example.com/prometheus/
    auth: {bearer: {env: PROM_TOKEN}}
    tls: {ca: acme-ca, certificate: own, server_name: prom.internal}
    tenant: shop
    headers: {X-A: b}
    scrape_interval: 30s
    timeout: 5s
    cap: 1MiB
  bare: {prometheus: "http://127.0.0.1:9090"}
  api: {rest: "https://stats.example.com:8443/v1", auth: {basic: {username: me, password: {file: /run/p}}}}
  key: {rest: "https://stats.example.com", auth: {header: {name: X-Key, value: {env: KEY}}}, tls: {insecure: true}}
  id:
    rest: https://stats.example.com
    auth: {oauth2: {token_url: "https://id.example.com/t", client_id: me, client_secret: {env: CLIENT}}}
  influx-eu:
    preset: influxdb
    url: https://influx.example.com
    auth: {keys: {token: {env: INFLUX}}}
    settings: {org: acme, bucket: x}
  own-preset: {preset: /etc/gitslo/mine.yaml, url: "https://mine.example.com"}
  watch:
    preset: cloudwatch
    url: https://monitoring.eu-central-1.amazonaws.com
    auth: {sigv4: {region: eu-central-1, service: monitoring, access_key_id: {env: A}, secret_access_key: {env: S},
                   session_token: {env: T}}}
  inside: {kubernetes: {in_cluster: true}}
  outside: {kubernetes: {kubeconfig: /etc/gitslo/kubeconfig, context: staging}, scrape_interval: 1m}
  direct: {kubernetes: {server: "https://k8s.example.com:6443", token: {env: K8S}, ca: acme-ca}}
  orders: {sql: {dsn: {env: DSN}, statement_timeout: 2s}}
  acme: {kind: acme, url: "https://acme.example.com", settings: {zone: eu}, secrets: {token: {env: ACME}}}
"""

DEFAULT = TlsSettings()


def target(name: str, host: str, port: int = 443, path: str = "", settings: TlsSettings = DEFAULT) -> Target:
    return Target(name, TargetScheme.HTTP, host, port, tls=True, path=path, settings=settings)


EXPECTED = (
    SourceConfig(
        "prom",
        PrometheusConfig(
            Server(
                target(
                    "prom",
                    "prom.example.com",
                    path="/prometheus",
                    settings=TlsSettings(ca="acme-ca", certificate="own", server_name="prom.internal"),
                ),
                SecretRef(env="PROM_TOKEN"),
                (("X-Scope-OrgID", "shop"), ("X-A", "b")),
            )
        ),
        every=30.0,
        timeout=5.0,
        cap=1024**2,
    ),
    SourceConfig("bare", PrometheusConfig(Server(Target("bare", TargetScheme.HTTP, "127.0.0.1", 9090)))),
    SourceConfig(
        "api",
        RestConfig(
            Server(target("api", "stats.example.com", 8443, "/v1"), Basic("me", SecretRef(file="/run/p"))),
        ),
    ),
    SourceConfig(
        "key",
        RestConfig(
            Server(
                target("key", "stats.example.com", settings=TlsSettings(insecure=True)),
                HeaderSecret("X-Key", SecretRef(env="KEY")),
            )
        ),
    ),
    SourceConfig(
        "id",
        RestConfig(
            Server(
                target("id", "stats.example.com"),
                ClientCredentials("https://id.example.com/t", "me", SecretRef(env="CLIENT")),
            )
        ),
    ),
    SourceConfig(
        "influx-eu",
        PresetConfig(
            "influxdb",
            Server(target("influx-eu", "influx.example.com"), Keys({"token": SecretRef(env="INFLUX")})),
            {"org": "acme", "bucket": "x"},
        ),
    ),
    SourceConfig("own-preset", PresetConfig("/etc/gitslo/mine.yaml", Server(target("own-preset", "mine.example.com")))),
    SourceConfig(
        "watch",
        PresetConfig(
            "cloudwatch",
            Server(
                target("watch", "monitoring.eu-central-1.amazonaws.com"),
                Signature("eu-central-1", "monitoring", SecretRef(env="A"), SecretRef(env="S"), SecretRef(env="T")),
            ),
        ),
    ),
    SourceConfig("inside", KubernetesConfig(in_cluster=True)),
    SourceConfig("outside", KubernetesConfig(Path("/etc/gitslo/kubeconfig"), context="staging"), every=60.0),
    SourceConfig(
        "direct",
        KubernetesConfig(
            server=Server(
                target("direct", "k8s.example.com", 6443, settings=TlsSettings(ca="acme-ca")), SecretRef(env="K8S")
            )
        ),
    ),
    SourceConfig("orders", SqlConfig(SecretRef(env="DSN"), 2.0)),
    SourceConfig(
        "acme",
        PackagedConfig(
            "acme", Server(target("acme", "acme.example.com")), {"zone": "eu"}, {"token": SecretRef(env="ACME")}
        ),
    ),
)


def operator(sources: str) -> Operator:
    return parse_operator(f"{HEAD}{sources}".encode(), file="f")


def test_every_kind_of_source_is_understood() -> None:
    """Each field stands in its data, and what is left out has the default."""
    assert {each.name: each for each in EXPECTED} == operator(WHOLE).sources


def test_a_kind_is_its_entry_point() -> None:
    """What another package brings is named as it names itself."""
    kinds = [each.kind for each in EXPECTED]

    assert ["prometheus"] * 2 + ["rest"] * 3 + ["preset"] * 3 + ["kubernetes"] * 3 + ["sql", "acme"] == kinds


def test_a_repository_has_no_source_unless_it_is_given_one() -> None:
    """The default is none; names may hold `*`."""
    given = operator(WHOLE).repositories[0].allowed.sources
    none = parse_operator(b"{schema: gitslo/v1, repositories: [{name: a, url: 'file:///a'}]}", file="f")

    assert (("prom", "influx-*"), ()) == (given, none.repositories[0].allowed.sources)


def test_every_secret_of_a_source_is_masked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bearer, password, header, key, client's secret, signature and DSN: all are known where text goes out."""
    password = tmp_path / "password"
    password.write_text("from-a-file\n", encoding="utf-8")
    names = ("PROM_TOKEN", "KEY", "CLIENT", "INFLUX", "A", "S", "T", "K8S", "DSN", "ACME")
    for name in names:
        monkeypatch.setenv(name, f"secret-{name}")
    found = secrets_of(operator(WHOLE.replace("/run/p", str(password))))

    assert {*(f"secret-{name}" for name in names), "from-a-file"} == set(found)


def test_a_file_of_sources_alone(tmp_path: Path) -> None:
    """What `gitslo test --sources` names: the same `sources`, and the certificates that they name."""
    path = tmp_path / "sources.yaml"
    certificates = HEAD[HEAD.index("certificates:") :]
    path.write_text(certificates + WHOLE, encoding="utf-8")
    sources, files = load_sources(path)

    assert {each.name: each for each in EXPECTED} == sources
    assert CertificateFiles(Path("/etc/gitslo/acme.pem")) == files["acme-ca"]
    with pytest.raises(Refused, match="the file of sources cannot be read"):
        load_sources(tmp_path / "nowhere.yaml")
    with pytest.raises(Refused, match=r"g:1:1: /repositories: there is no field `repositories`"):
        parse_sources_file(b"repositories: []\nsources: {}\n", file="g")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{prometheus: 'https://a.example.com/x?y=1'}", "has no query and no fragment"),
        ("{prometheus: 'https://me:pw@a.example.com'}", "no user name and no password"),
        ("{prometheus: a.example.com}", "did you mean `http://a.example.com`?"),
        ("{prometheus: 'http://a.example.com', auth: {bearer: {env: T}}}", "over plain http:// to another machine"),
        ("{rest: 'http://a.example.com', auth: {header: {name: X, value: {env: T}}}}", "over plain http://"),
        ("{kubernetes: {server: 'http://a.example.com', token: {env: T}}}", "over plain http://"),
        ("{prometheus: 'https://a.example.com', auth: {bearer: hunter2}}", "expected `{env: NAME}`"),
        ("{prometheus: 'https://a.example.com', headers: {Authorization: Bearer x}}", "does not stand in this file"),
        ("{prometheus: 'https://a.example.com', headers: {Host: b}}", "is HTTP's own"),
        ("{rest: 'https://a.example.com', auth: {header: {name: host, value: {env: T}}}}", "is HTTP's own"),
        ("{prometheus: 'http://a.example.com', tls: {ca: acme-ca}}", "for an https:// URL"),
        ("{prometheus: 'https://a.example.com', tls: {ca: acme}}", "did you mean `acme-ca`?"),
        ("{prometheus: 'https://a.example.com', tls: {certificate: acme-ca}}", "no client certificate named `acme-ca`"),
        ("{kubernetes: {server: 'https://a.example.com', ca: own}}", "no authorities named `own`"),
        ("{kubernetes: {server: 'http://127.0.0.1', ca: acme-ca}}", "authorities are for an https:// URL"),
        ("{kubernetes: {in_cluster: false}}", "expected `true`"),
        ("{prometheus: 'https://a.example.com', timeout: 10m}", "too large (from `1ms` to `5m`)"),
        ("{prometheus: 'https://a.example.com', timeout: 0s}", "too small"),
        ("{prometheus: 'https://a.example.com', cap: 10}", "too small (from `1KiB` to `1GiB`)"),
        ("{prometheus: 'https://a.example.com', scrape_interval: 0s}", "too small (from `100ms` to `1d`)"),
        ("{sql: {dsn: {env: A}, statement_timeout: 1h}}", "too large"),
        ("{sql: {dsn: 'postgresql://u:pw@h/d'}}", "expected `{env: NAME}`"),
        ("{kind: prometheus, url: 'https://a.example.com'}", "write `prometheus: ...`"),
        ("{prometeus: 'https://a.example.com'}", "did you mean `prometheus`?"),
        ("{preset: influxdb}", "the field `url` is missing"),
        ("{rest: 'https://a.example.com', auth: {keys: {token: {env: T}}}}", "`keys` are for a preset"),
    ],
)
def test_what_cannot_work_is_said_with_its_place(text: str, said: str) -> None:
    """When the file is read, not when a metric is asked for; and never with the secret in it."""
    with pytest.raises(Refused) as caught:
        operator(f"sources:\n  prom: {text}\n  influx-a: {{prometheus: 'https://a.example.com'}}\n")

    assert said in str(caught.value)
    assert str(caught.value).startswith("f:8:")
    assert not {"hunter2", "pw"} & set(str(caught.value).replace("`", " ").split())


@pytest.mark.parametrize("more", [", plain_http: true", ""])
def test_a_secret_goes_in_clear_where_the_operator_may_mean_it(more: str) -> None:
    """To this machine, or where it is said that it may."""
    url = "http://prom.example.com" if more else "http://localhost:9090"
    prom = f"{{prometheus: '{url}', auth: {{bearer: {{env: T}}}}{more}}}"
    found = operator(f"sources: {{prom: {prom}, influx-a: {{sql: {{dsn: {{env: D}}}}}}}}")

    assert SecretRef(env="T") == found.sources["prom"].secrets[0]


def test_a_source_that_is_allowed_exists() -> None:
    """A name in `allow.sources` that nothing has is a mistake, with the nearest name."""
    with pytest.raises(Refused, match="has no `influx-\\*`"):
        operator("sources: {prom: {prometheus: 'https://a.example.com'}}")
    with pytest.raises(Refused, match="did you mean `prom2`"):
        operator("sources: {prom2: {prometheus: 'https://a.example.com'}, influx-a: {sql: {dsn: {env: D}}}}")
