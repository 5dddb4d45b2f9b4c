"""A Redis server with search and JSON is found, if there is one, and RedisSaver runs on it."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
from bench.redis_server import RedisProgram, find_redis, redis_programs, running_redis
from bench.savers import Redis, is_installed, redis_saver
from bench.states import CHAT, changes

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="needs sockets in files"),
]
SPEAKS = """\
    import socket, sys
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[sys.argv.index("--unixsocket") + 1])
    listening.listen()
    while True:
        asked = listening.accept()[0]
        words = asked.recv(1000).decode().split()
        knows = words[-1] in {knows}
        asked.sendall(b"+PONG\\r\\n" if words == ["PING"] else b"*1\\r\\n*0\\r\\n" if knows
                      else b"*1\\r\\n$-1\\r\\n")
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{dedent(text)}", "utf-8")
    path.chmod(0o700)
    return path


def server(path: Path, *knows: str) -> RedisProgram:
    """A program that speaks just enough to be asked what it knows."""
    return RedisProgram(program(path, SPEAKS.replace("{knows}", repr(knows))))


def test_a_server_without_search_or_json_is_passed_over_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = server(tmp_path / "bare")
    searching = server(tmp_path / "searching", "FT.CREATE")
    assert find_redis([bare, searching]) is None
    told = capsys.readouterr().err
    assert "RedisSaver does not take part" in told
    assert f"{bare}: does not know FT.CREATE and JSON.SET\n" in told
    assert f"{searching}: does not know JSON.SET\n" in told


def test_what_is_no_server_is_passed_over_with_what_it_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaves = RedisProgram(program(tmp_path / "leaves", "import sys; sys.exit('not I')"))
    nothing = RedisProgram(tmp_path / "nothing")
    assert find_redis([leaves, nothing]) is None
    told = capsys.readouterr().err
    assert f"{leaves}: not I\n" in told
    assert re.search(rf"{nothing}: .*No such file", told)


def test_the_first_that_knows_both_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = [server(tmp_path / f"server-{n}", "FT.CREATE", "JSON.SET") for n in range(2)]
    assert find_redis([server(tmp_path / "bare"), *known]) == known[0]
    assert not capsys.readouterr().err


def test_a_server_is_tried_as_it_is_and_then_with_the_modules_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(tmp_path / "stack/bin/redis-server", "")
    script = program(tmp_path / "stack/bin/redis-stack-server", "")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/redis-stack-server").symlink_to(script)
    (tmp_path / "stack/lib").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert redis_programs()[0] == RedisProgram(path)
    assert all(tmp_path not in module.parents for one in redis_programs() for module in one.modules)
    modules = tuple(tmp_path / "stack/lib" / name for name in ("redisearch.so", "rejson.so"))
    for module in modules:
        module.touch()
    assert redis_programs()[:2] == [RedisProgram(path), RedisProgram(path, modules)]


def test_an_old_redis_without_modules_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    plain = [one for one in redis_programs() if not one.modules]
    for one in plain:
        version = subprocess.run([one.server, "--version"], capture_output=True, text=True)
        if re.search(r"v=[67]\.", version.stdout):
            assert find_redis([one]) is None
            assert f"{one}: does not know FT.CREATE and JSON.SET" in capsys.readouterr().err
            return
    pytest.skip("no Redis 6 or 7 is installed")


async def test_the_last_checkpoint_is_there_whole_after_the_server_was_killed(
    tmp_path: Path,
) -> None:
    found = fit_server()
    sizes = []
    with running_redis(found, tmp_path) as address:
        contender = Redis(lambda folder: address)
        await contender.open(tmp_path)
        assert not await contender.load()
        for change in changes(CHAT, 3):
            await contender.save(change)
            sizes.append(contender.size())
        await contender.close()
    assert sizes == sorted(set(sizes))
    logs = (tmp_path / "appendonlydir").glob("*.incr.aof")
    assert sum(log.stat().st_size for log in logs) == sizes[-1]
    saver = import_module("langgraph.checkpoint.redis").RedisSaver
    with running_redis(found, tmp_path) as address, saver.from_conn_string(address) as again:
        again.setup()
        kept = again.get_tuple({"configurable": {"thread_id": "bench", "checkpoint_ns": ""}})
    assert kept.checkpoint["channel_values"] == {change.channel: change.state[change.channel]}


async def test_every_folder_has_one_server_of_its_own_that_outlives_its_connections(
    tmp_path: Path,
) -> None:
    fit_server()
    (tmp_path / "other").mkdir()
    with redis_saver() as (maker,):
        here = [maker(), maker(), maker()]
        for contender, folder in zip(here, ("", "", "other"), strict=True):
            await contender.open(tmp_path / folder)
        for change in changes(CHAT, 1):
            await here[0].save(change)
        assert [await contender.load() for contender in here] == [True, True, False]
        for contender in here:
            await contender.close()
        await here[0].open(tmp_path)
        assert await here[0].load()
        await here[0].close()


def fit_server() -> RedisProgram:
    found = find_redis(redis_programs())
    if found is None or not is_installed("langgraph.checkpoint.redis"):
        pytest.skip("needs a Redis server with search and JSON, and the bench-redis extra")
    return found
