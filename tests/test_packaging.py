"""The wheel holds what it should, and the container's steps work in a clean environment.

No container engine is needed: the build stage of the Dockerfile is run step by step in a folder,
and its program with a file system that is read-only but for the volumes.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp import Client
from tests.servers.s3 import S3Server

from safepoint import __version__
from safepoint_server.cli.parser import parse

ROOT = Path(__file__).parents[1]
PLACES = ("/wheels", "/opt/safepoint", "/data")
READ_ONLY = """
PATH=/usr/sbin:/usr/bin:/sbin:/bin
for volume in $volumes; do mkdir -p "$volume"; mount --bind "$volume" "$volume"; done
mount -o remount,bind,ro /
touch forbidden 2>/dev/null && exit 1
exec "$@"
"""
"""Runs a program that can write to the volumes and nowhere else."""


@dataclass(frozen=True)
class Stage:
    """One stage of the Dockerfile: its base image and its steps, continued lines joined."""

    base: str
    steps: tuple[tuple[str, str], ...]

    def last(self, instruction: str) -> str:
        return [argument for name, argument in self.steps if name == instruction][-1]

    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.last("ENV").split())


@dataclass(frozen=True)
class Image:
    """What the build stage left behind: where its folders are now."""

    folder: Path

    def place(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run the image's program with these arguments, in the image's environment."""
        return subprocess.run(
            [self.program, *arguments],
            env=self.environment() | environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def program(self) -> str:
        (name,) = json.loads(stages()[-1].last("ENTRYPOINT"))
        return str(self.place("/opt/safepoint/bin") / name)

    def environment(self) -> dict[str, str]:
        settings = stages()[-1].environment()
        return {name: moved(value, self.folder) for name, value in settings.items()}


def stages() -> list[Stage]:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    steps = [step.split(maxsplit=1) for step in "\n".join(lines).replace("\\\n", " ").splitlines()]
    starts = [number for number, step in enumerate(steps) if step[0] == "FROM"]
    return [
        Stage(
            steps[start][1],
            tuple((name, argument) for name, argument in steps[start + 1 : end]),
        )
        for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)
    ]


def moved(text: str, folder: Path) -> str:
    """The text with the image's places moved into the folder."""
    for place in PLACES:
        text = text.replace(place, str(folder) + place)
    return text


def builder_environment(python: Path) -> dict[str, str]:
    """This machine's, for pip's own settings, but with nothing of the environment of the tests."""
    own = ("PYTHON", "SAFEPOINT_", "VIRTUAL_ENV", "XDG_", "HYPOTHESIS", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    home = pwd.getpwuid(os.getuid()).pw_dir
    return kept | {"HOME": home, "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin"}


def copy(sources: list[str], into: Path) -> None:
    for source in sources:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, into / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, into / source)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder = tmp_path_factory.mktemp("image")
    workdir = folder / "src"
    workdir.mkdir()
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    environment = builder_environment(folder / "python" / "bin" / "python")
    for instruction, argument in stages()[0].steps:
        if instruction == "COPY":
            copy(argument.split()[:-1], workdir)
        elif instruction == "RUN":
            # Here the cache serves: these are the packages that the tests themselves run with.
            command = moved(argument, folder).replace("--no-cache-dir", "")
            done = subprocess.run(
                ["/bin/sh", "-ec", command],
                cwd=workdir,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    yield Image(folder)
    shutil.rmtree(folder)


def test_the_image_runs_serve_as_an_unprivileged_user_without_a_shell() -> None:
    build, final = stages()
    assert build.base.endswith(" AS build")
    assert build.base.removesuffix(" AS build") == final.base == "python:3.13-slim"
    assert json.loads(final.last("ENTRYPOINT")) == ["safepoint"]
    assert json.loads(final.last("CMD")) == ["serve"]
    user = final.last("USER").split(":")
    assert all(number.isdigit() and int(number) >= 1000 for number in user)
    assert f"--uid {user[0]} " in final.last("RUN")
    names = [name for name, _ in final.steps]
    assert names.index("USER") > max(names.index("RUN"), names.index("COPY"))
    assert [argument for name, argument in final.steps if name == "COPY"] == [
        "--from=build /opt/safepoint /opt/safepoint"
    ]


def test_store_key_and_home_of_the_image_lie_in_volumes_apart_from_each_other() -> None:
    final = stages()[-1]
    settings = final.environment()
    volumes = json.loads(final.last("VOLUME"))
    written = [
        settings["SAFEPOINT_STORE"].removeprefix("file://"),
        settings["XDG_CONFIG_HOME"],
        settings["HOME"],
    ]
    for path, volume in zip(written, volumes, strict=True):
        assert path == volume or Path(path).parent == Path(volume)
        assert volume in final.last("RUN").split("install -d ")[1]


def test_only_what_the_image_copies_is_sent_to_its_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    sources = [
        source
        for name, argument in stages()[0].steps
        if name == "COPY"
        for source in argument.split()[:-1]
    ]
    assert "*" in lines
    assert sent == set(sources)
    assert all((ROOT / source).exists() for source in sources)


def test_the_wheel_holds_the_two_packages_and_nothing_else(image: Image) -> None:
    (wheel,) = image.place("/wheels").glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    information = f"safepoint-{__version__}.dist-info"
    assert {name.split("/")[0] for name in held} == {
        "safepoint",
        "safepoint_server",
        information,
    }
    expected = {
        path.relative_to(ROOT / root).as_posix()
        for root in ("server", "storage")
        for path in (ROOT / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in held if not name.startswith(information)} == expected
    assert {"safepoint/py.typed", "safepoint_server/py.typed"} <= expected
    assert f"{information}/licenses/LICENSE" in held


def test_the_image_holds_no_installer_and_no_test_tools(image: Image) -> None:
    (packages,) = image.place("/opt/safepoint").glob("lib/python*/site-packages")
    present = {path.name.split("-")[0].lower() for path in packages.glob("*.dist-info")}
    assert {"safepoint", "mcp", "orjson"} <= present
    assert not present & {"pip", "setuptools", "pytest", "hypothesis", "mypy", "ruff", "hatchling"}


def test_the_image_installs_the_pinned_versions(image: Image) -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.split(" ;")[0].lower().replace("_", "-") for line in lines}
    (packages,) = image.place("/opt/safepoint").glob("lib/python*/site-packages")
    for path in packages.glob("*.dist-info"):
        name, version = path.stem.rsplit("-", 1)
        if name != "safepoint":
            spelled = {f"{name}=={version}".lower().replace("_", "-")}
            assert (spelled | {s.replace("-", ".", 1) for s in spelled}) & pinned, path.name


def test_the_installed_program_tells_its_version(image: Image) -> None:
    done = image.run("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"safepoint {__version__}")


def test_the_installed_program_makes_a_store_and_the_doctor_finds_it_well(image: Image) -> None:
    assert image.run("keys", "init").returncode == 0
    done = image.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(image.folder) in done.stdout
    assert image.place("/data/store").is_dir()
    assert image.place("/data/key/safepoint/key").stat().st_mode & 0o777 == 0o600


def test_the_installed_server_answers_over_stdio_and_ends_with_its_input(image: Image) -> None:
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    command = [image.program, *json.loads(stages()[-1].last("CMD"))]
    with subprocess.Popen(
        command,
        env=image.environment(),
        cwd=image.folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(json.dumps(hello) + "\n")
            server.stdin.flush()
            reply = json.loads(server.stdout.readline())
            server.communicate(timeout=30)
        finally:
            server.kill()
    assert server.returncode == 0
    assert reply["id"] == 1
    assert reply["result"]["serverInfo"]["name"] == "safepoint"
    assert reply["result"]["serverInfo"]["version"] == __version__


def test_the_health_check_of_the_image_is_a_command_that_there_is(image: Image) -> None:
    final = stages()[-1]
    command = json.loads(final.last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:1] == json.loads(final.last("ENTRYPOINT"))
    parse(command[1:])
    assert image.run(*command[1:]).returncode == 0  # on its pipes nobody else can ask it
    nobody = image.run(*command[1:], SAFEPOINT_TRANSPORT="http", SAFEPOINT_PORT="1")
    assert (nobody.returncode, nobody.stdout) == (5, "")
    assert "no server answers on 127.0.0.1 port 1" in nobody.stderr


def read_only(image: Image, command: list[str]) -> list[str]:
    """The command with a file system of its own that is read-only but for the image's volumes,
    where this machine lets its users have one; else as it is."""
    own = [str(shutil.which("unshare")), "--mount", "--map-root-user"]
    try:
        subprocess.run([*own, "/bin/sh", "-c", "mount -o remount,bind,ro /"], check=True)
    except (OSError, subprocess.CalledProcessError):
        return command
    volumes = [str(image.place(volume)) for volume in json.loads(stages()[-1].last("VOLUME"))]
    script = f"volumes={shlex.quote(' '.join(volumes))}{READ_ONLY}"
    return [*own, "/bin/sh", "-ec", script, "sh", *command]


def test_the_image_serves_http_on_a_bucket_by_environment_variables_alone(
    image: Image, ministack_server: S3Server, prefix: str
) -> None:
    environ = {
        **ministack_server.environ(),
        "SAFEPOINT_STORE": f"s3://{ministack_server.bucket}/{prefix}",
        "SAFEPOINT_PASSPHRASE": "only for this test, really",
        "SAFEPOINT_TRANSPORT": "http",
        "SAFEPOINT_PORT": "0",
        "SAFEPOINT_LOG_FORMAT": "json",
    }
    command = [image.program, *json.loads(stages()[-1].last("CMD"))]
    with subprocess.Popen(
        read_only(image, command),
        env=image.environment() | environ,
        cwd=image.folder,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stderr is not None
            address = json.loads(server.stderr.readline())["address"]
            environ["SAFEPOINT_PORT"] = str(urlsplit(address).port)
            healthy = image.run("health", **environ)
            assert (healthy.returncode, healthy.stdout) == (0, "ready\n"), healthy.stderr
            assert asyncio.run(saved_and_loaded(address)) == {"kept": True}
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=60)
        finally:
            server.kill()
    assert server.returncode == 0


async def saved_and_loaded(address: str) -> Any:
    async with Client(address) as client:
        arguments = {"workspace": "image", "state": {"kept": True}}
        await client.call_tool("save_checkpoint", arguments)
        loaded = await client.call_tool("load_checkpoint", {"workspace": "image"})
        assert loaded.structured_content is not None
        return loaded.structured_content["state"]
