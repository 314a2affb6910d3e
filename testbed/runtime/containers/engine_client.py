"""The engine's client: the one file that imports it, and raises our errors `from` its own and those of the libraries below it."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, NotFound, StreamParseError

from testbed.errors import EngineError, FacilityError
from testbed.runtime.containers import docker_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker.models.containers import Container

ANSWERS_WITHIN_S = 60
# The client passes on what the libraries below it raise, as when the engine is gone: of a stream, which is read with less help, also
# the errors of urllib3, of the socket, and of half a message.
CLIENT_ERRORS = (DockerException, StreamParseError, requests.RequestException, urllib3.exceptions.HTTPError, OSError)


@contextmanager
def translated(failing: str, raised: type[FacilityError] = EngineError) -> Iterator[None]:
    """Raise what the engine's client raises as an error of ours, which says what is `failing`."""
    try:
        yield
    except CLIENT_ERRORS as error:
        raise raised(f"{failing}: {getattr(error, 'explanation', None) or error}") from error


def connect() -> docker.DockerClient:
    """Connect to the engine; raises EngineError within seconds when there is none."""
    docker_cli.find()
    with translated(f"no container engine answers ({docker_cli.START})"):
        return docker.from_env(timeout=ANSWERS_WITHIN_S)


def kill(container: Container, within_s: float) -> int:
    """Kill a container, unless it has ended already, and return its exit code."""
    try:
        container.kill("SIGKILL")
    except APIError as error:
        if error.status_code != HTTPStatus.CONFLICT:  # which says that it does not run
            raise
    return int(container.wait(timeout=within_s)["StatusCode"])


def is_there(container: Container) -> bool:
    """Inspect a container anew, and return whether the engine still has it."""
    try:
        container.reload()
    except NotFound:
        return False
    return True
