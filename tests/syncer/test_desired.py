"""What manifests become as processes, and what is refused by name."""

from __future__ import annotations

import pytest

from gitslo.errors import Refused
from gitslo.syncer.containers import HttpLook, TcpLook
from gitslo.syncer.desired import desired
from tests.syncer.manifests import CONFIG, DEPLOYMENT, SERVICE, OperatorsProgram, hello, manifests


def with_container(*lines: str, indent: int = 10) -> str:
    """The Deployment with further lines in its container."""
    return DEPLOYMENT + "".join(" " * indent + line + "\n" for line in lines)


def with_pod(*lines: str) -> str:
    return with_container(*lines, indent=6)


def refusal(*documents: str, program: OperatorsProgram | None = None) -> str:
    """The message with which these manifests are refused."""
    with pytest.raises(Refused) as refused:
        desired(manifests(*documents), [program or OperatorsProgram()], "dev")
    return str(refused.value)


def only_container(deployment: str, program: OperatorsProgram | None = None):
    (workload,) = desired(manifests(deployment, CONFIG), [program or OperatorsProgram()], "dev").workloads
    (container,) = workload.containers
    return container


def test_a_deployment_becomes_the_operators_program():
    """The image selects the argument vector, and its tag is filled in."""
    program = OperatorsProgram(argv=("/bin/app", "--version={tag}", "--name={environment}", "{port}"))

    assert only_container(DEPLOYMENT, program).argv == ("/bin/app", "--version=v1", "--name=dev", "{port}")


def test_a_service_gives_a_name_to_a_containers_port():
    """`service.namespace.svc:port` leads to the containerPort that targetPort names."""
    found = [(each.name, each.workload, each.container, each.port) for each in hello().served]

    assert found == [("hello.hello-dev.svc:80", "hello-dev/hello", "hello", 8080)]


def test_a_target_port_may_be_a_number_or_missing():
    """A numeric targetPort, or none at all, is a containerPort's number."""
    numeric = SERVICE.replace("targetPort: http", "targetPort: 8080")
    missing = SERVICE.replace("{port: 80, targetPort: http}", "{port: 8080}")
    found = [
        desired(manifests(DEPLOYMENT, service), [OperatorsProgram()], "dev").served[0].port
        for service in (numeric, missing)
    ]

    assert found == [8080, 8080]


def test_readiness_is_the_manifests_probe():
    """A probe by httpGet is honoured, tcpSocket too, and without a probe the first port must accept."""
    tcp = DEPLOYMENT.replace("httpGet: {path: /readyz, port: http}", "tcpSocket: {port: 8080}, timeoutSeconds: 3")
    none = DEPLOYMENT.replace("          readinessProbe: {httpGet: {path: /readyz, port: http}}\n", "")
    found = [only_container(text).look for text in (DEPLOYMENT, tcp, none)]

    assert found == [HttpLook(8080, "/readyz", (), 1.0), TcpLook(8080, 3.0), TcpLook(8080, 1.0)]


def test_only_listed_variables_are_passed_on():
    """What the operator does not list is not passed on, wherever it comes from, and the report says so."""
    text = with_container(
        "envFrom: [{configMapRef: {name: hello}}]",
        "env:",
        "  - {name: LD_PRELOAD, value: /tmp/evil.so}",
        "  - {name: PORT, value: '1'}",
        "  - {name: FEATURE_A, valueFrom: {configMapKeyRef: {name: hello, key: greeting}}}",
    )
    found = hello(deployment=text, program=OperatorsProgram(environment=("GREETING", "FEATURE_*")))

    assert (found.workloads[0].containers[0].environment, found.notes) == (
        (("FEATURE_A", "hi"), ("GREETING", "hello")),
        ("variables that the operator does not list are not passed on: LD_PRELOAD, SECRET, greeting",),
    )


def test_the_lists_letter_case_counts():
    """`debug` on the list does not allow `DEBUG`."""
    text = with_container("env: [{name: DEBUG, value: '1'}]")

    assert only_container(text, OperatorsProgram(environment=("debug",))).environment == ()


def test_listed_arguments_are_appended():
    """A manifest's arguments that the operator lists follow the operator's own."""
    text = with_container("args: [--verbose, --level=3]")
    program = OperatorsProgram(argv=("app",), arguments=("--verbose", "--level=*"))

    assert only_container(text, program).argv == ("app", "--verbose", "--level=3")


def test_what_a_process_cannot_honour_is_only_named():
    """Limits and placement are ignored, and the report says which; replicas above one are run as one."""
    text = with_container("resources: {limits: {cpu: 1}}").replace("replicas: 1", "replicas: 3")

    assert hello(deployment=text).notes == ("hello: replicas 3 are run as one process", "not honoured: resources")


def test_no_replicas_run_nothing():
    """`replicas: 0` is honoured."""
    found = hello(deployment=DEPLOYMENT.replace("replicas: 1", "replicas: 0"))

    assert ([workload.run for workload in found.workloads], found.images) == ([False], ())


def test_the_fingerprint_follows_what_runs():
    """Image, arguments and configured environment change it; a probe's path does not."""
    program = OperatorsProgram(environment=("A",))
    one = with_container("env: [{name: A, value: '1'}]")
    two = with_container("env: [{name: A, value: '2'}]")
    probed = one.replace("/readyz", "/version")
    found = [hello(deployment=text, program=program).fingerprint for text in (one, two, probed)]

    assert (found[0] == found[1], found[0] == found[2], hello("v2").fingerprint == hello("v1").fingerprint) == (
        False,
        True,
        False,
    )


def test_a_manifests_own_command_is_refused():
    """A repository cannot say which program runs; the message says where it tried."""
    message = refusal(with_container("command: [/bin/sh, -c, id]"))

    assert message == (
        "dev/0.yaml:16:20: /spec/template/spec/containers/0/command: the process syncer runs no command of a manifest "
        "(leave `command` out: the operator's file names the program for the image)"
    )


@pytest.mark.parametrize(
    "text",
    [
        with_container("args: [--evil]"),
        with_container("args: ['{port}']"),
        with_container("volumeMounts: [{name: host, mountPath: /host}]"),
        with_container("workingDir: /etc"),
        with_container("lifecycle: {postStart: {exec: {command: [id]}}}"),
        with_container("stdin: true"),
        with_pod("volumes: [{name: host, hostPath: {path: /}}]"),
        with_pod("initContainers: [{name: first, image: example/hello:v1}]"),
        with_pod("hostNetwork: true"),
        with_pod("restartPolicy: Never"),
    ],
)
def test_what_cannot_be_honoured_is_refused(text):
    """Whatever would change what runs is refused at its place, never left out."""
    assert refusal(text, program=OperatorsProgram(arguments=("--good",))).startswith("dev/0.yaml:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "example/hello:v1",
            "example/other:v1",
            "names no program for the image example/other (it names example/hello)",
        ),
        ("example/hello:v1", "'example/hello:v1;id'", "expected a tag"),
        ("example/hello:v1", "'example/hello:--help'", "expected a tag"),
        ("httpGet: {path: /readyz, port: http}", "exec: {command: [id]}", "cannot honour `exec`"),
        ("port: http}}", "port: admin}}", "no port admin"),
        ("path: /readyz", "path: /readyz, scheme: HTTPS", "expected HTTP"),
        ("matchLabels: {app: hello}", "matchLabels: {app: other}", "expected `matchLabels` that are among"),
        ("replicas: 1", "replicas: '1'", "expected a whole number from 0 to 10000"),
        ("replicas: 1", "paused: true", "cannot honour `paused`"),
        ("containerPort: 8080", "containerPort: 8080, hostPort: 80", "cannot honour `hostPort`"),
        ("containerPort: 8080", "containerPort: 8080, protocol: UDP", "expected TCP"),
        ("apps/v1", "apps/v1beta1", "kind Deployment (apps/v1beta1) cannot be run as a process"),
        ("kind: Deployment", "kind: StatefulSet", "kind StatefulSet (apps/v1) cannot be run as a process"),
        ("kind: Deployment\n", "", "expected a Kubernetes object"),
    ],
)
def test_a_refusal_says_what_was_expected(old, new, said):
    """Each refusal names the field's fault."""
    assert said in refusal(DEPLOYMENT.replace(old, new))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}", "cannot honour `secretKeyRef`"),
        ("{name: A, valueFrom: {configMapKeyRef: {name: none, key: k}}}", "there is no ConfigMap none"),
        ("{name: A, valueFrom: {configMapKeyRef: {name: hello, key: none}}}", "the ConfigMap has no key none"),
        ("{name: A, value: '$(B)'}", "references such as $(NAME)"),
        ("{name: A, value: 1}", "expected a string (quote it)"),
    ],
)
def test_a_listed_variable_without_a_value_is_refused(entry, said):
    """A variable that the operator lists gets its value or the environment is refused."""
    assert said in refusal(with_container(f"env: [{entry}]"), CONFIG, program=OperatorsProgram(environment=("A",)))


def test_an_optional_key_may_be_missing():
    """`optional: true` leaves the variable out."""
    entry = "{name: A, valueFrom: {configMapKeyRef: {name: none, key: k, optional: true}}}"

    assert only_container(with_container(f"env: [{entry}]"), OperatorsProgram(environment=("A",))).environment == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("targetPort: http", "targetPort: admin", "no container of hello-dev/hello has a port admin (there is http)"),
        ("selector: {app: hello}", "selector: {}", "a Service without selector"),
        ("selector: {app: hello}", "type: ExternalName", "type ExternalName"),
    ],
)
def test_a_service_that_leads_nowhere_is_refused(old, new, said):
    """A Service's port must end in one process."""
    assert said in refusal(DEPLOYMENT, SERVICE.replace(old, new))


def test_every_mistake_is_said_at_once():
    """One refusal names them all, so that one commit can mend them."""
    message = refusal(with_container("command: [id]"), DEPLOYMENT.replace("kind: Deployment", "kind: Job"))

    assert (message.count("\n"), "command" in message, "Job" in message) == (1, True, True)


def test_a_folder_without_a_deployment_is_refused():
    """Nothing to run is no success."""
    assert "there is no Deployment" in refusal(CONFIG)


@pytest.mark.parametrize(
    ("listed", "passed"),
    [
        (("*",), ("FEATURE_A", "GREETING")),
        (("PATH", "*"), ("FEATURE_A", "GREETING", "PATH")),
        (("LD_*", "P*"), ()),
        (("LD_PRELOAD",), ("LD_PRELOAD",)),
    ],
)
def test_what_makes_a_program_load_other_code_must_be_named(listed, passed):
    """`*` is meant for settings: a repository's author does not choose with it what code is run."""
    names = ("PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS")
    text = with_container("env:", *(f"  - {{name: {name}, value: x}}" for name in (*names, "FEATURE_A", "GREETING")))
    found = only_container(text, OperatorsProgram(environment=listed))

    assert passed == tuple(name for name, _ in found.environment)


@pytest.mark.parametrize("name", ["../../x", "a/b", "A", "a" * 64, "''"])
def test_names_become_files_and_variables_and_must_be_names(name):
    """As a cluster demands it: of a container, of a port, and of the object itself."""
    found = [
        refusal(DEPLOYMENT.replace("- name: hello", f"- name: {name}")),
        refusal(DEPLOYMENT.replace("name: http", f"name: {name}", 1)) if name != "''" else "expected",
        refusal(DEPLOYMENT.replace("{name: hello,", f"{{name: {name},")) if len(name) < 64 else "expected",
        refusal(DEPLOYMENT.replace("namespace: hello-dev", f"namespace: {name}")) if len(name) < 64 else "expected",
    ]

    assert [True] * 4 == ["expected" in each for each in found]
