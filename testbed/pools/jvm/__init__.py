"""Services of one pool each on the JVM, over PgJDBC: HikariCP, DBCP2 and Tomcat's.

Each is a source file that java compiles and runs; their jars are those of Debian's packages, and where one is missing it is named.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

if TYPE_CHECKING:
    from testbed.pools.cell import Mistake

FOLDER = Path(__file__).parent
JARS = Path("/usr/share/java")
# A third less processor time until it serves than without (2.0 s for 3.1 s, compiling included): it never runs for long.
OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
DRIVER = ("postgresql.jar", "libpostgresql-jdbc-java")
VERSIONS = ("Implementation-Version", "Bundle-Version")  # in a manifest; the first that is there


@dataclass(frozen=True, slots=True)
class JvmService:
    """A source file that `java` compiles and runs, and its jars: each with Debian's package; the first is the pool's own."""

    source: str
    jars: tuple[tuple[str, str], ...]


SERVICES = {
    "dbcp2": JvmService(
        "Dbcp2Service.java",
        (
            ("commons-dbcp2.jar", "libcommons-dbcp2-java"),
            ("commons-pool2.jar", "libcommons-pool2-java"),
            ("commons-logging.jar", "libcommons-logging-java"),
            DRIVER,
        ),
    ),
    "hikaricp": JvmService(
        "HikariService.java",
        (("HikariCP.jar", "libhikaricp-java"), ("slf4j-api.jar", "libslf4j-java"), ("slf4j-simple.jar", "libslf4j-java"), DRIVER),
    ),
    "tomcat_jdbc": JvmService(
        "TomcatJdbcService.java", (("tomcat9-jdbc.jar", "libtomcat9-java"), ("tomcat9-juli.jar", "libtomcat9-java"), DRIVER)
    ),
}


def names() -> tuple[str, ...]:
    """Return the names of the services."""
    return tuple(SERVICES)


def mistakes(name: str) -> tuple[Mistake, ...]:  # noqa: ARG001 - the same for each
    """Return the ways to clean up that a service has."""
    return ("leaking", "careful", "statement")


def has_check(name: str) -> bool:  # noqa: ARG001 - the same for each
    """Return True: each pool has a check of its own."""
    return True


def missing(name: str) -> str:
    """Return which programs and jars are not here, and how to have them; an empty text where none is missing."""
    lacking = {} if shutil.which("java") and shutil.which("javac") else {"java and javac": "default-jdk-headless"}
    lacking |= {str(JARS / jar): package for jar, package in SERVICES[name].jars if not (JARS / jar).is_file()}
    return f"{' and '.join(lacking)} missing; apt-get install {' '.join(sorted(set(lacking.values())))}" if lacking else ""


def command(name: str) -> list[str]:
    """Return the command that compiles and runs a service; there is one only where nothing is missing."""
    service = SERVICES[name]
    classpath = ":".join(str(JARS / jar) for jar, _ in service.jars)
    return [shutil.which("java") or "java", *OPTIONS, "-cp", classpath, str(FOLDER / service.source)]


def versions(name: str) -> dict[str, str]:
    """Return the versions of Java, and of each jar by its name: as its manifest tells, and otherwise unknown."""
    return {"java": _java(), **{jar.removesuffix(".jar"): _of_jar(JARS / jar) for jar, _ in SERVICES[name].jars}}


def _java() -> str:
    """Return the version that the file `release` of the JDK tells."""
    java = shutil.which("java")
    release = Path(java).resolve().parents[1] / "release" if java else None
    if release is None or not release.is_file():
        return "unknown"
    told = dict(line.split("=", 1) for line in release.read_text(encoding="utf-8").splitlines() if "=" in line)
    return told.get("JAVA_VERSION", "unknown").strip('"')


def _of_jar(path: Path) -> str:
    try:
        with ZipFile(path) as jar:
            manifest = jar.read("META-INF/MANIFEST.MF").decode()
    except (OSError, BadZipFile, KeyError):
        return "unknown"
    lines = dict(line.split(": ", 1) for line in manifest.splitlines() if ": " in line)
    return next((lines[key] for key in VERSIONS if key in lines), "unknown")
