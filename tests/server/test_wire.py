"""Lines are cut within bounds, and every line that is no message gets an answer."""

from __future__ import annotations

import json

import mcp_types as types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint_server.wire import HEAD_BYTES, Line, Lines, Refused, answer, parse


def cut(data: bytes, size: int, max_bytes: int = 1000) -> list[Line]:
    lines = Lines(max_bytes)
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    return [line for chunk in chunks for line in lines.feed(chunk)]


@given(st.lists(st.binary(max_size=50).map(lambda b: b.replace(b"\n", b""))), st.integers(1, 64))
def test_lines_come_out_however_the_bytes_arrive(lines: list[bytes], size: int) -> None:
    data = b"".join(line + b"\n" for line in lines)
    assert [line.head for line in cut(data, size)] == [line for line in lines if line.strip()]


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_a_line_that_is_too_long_is_measured_and_the_next_one_is_read(size: int) -> None:
    long, after = cut(b"x" * 3000 + b"end\n" + b"{}\n", size)
    assert (long.size, long.whole) == (3003, False)
    assert long.tail.endswith(b"end")
    assert (after.head, after.whole) == (b"{}", True)


def test_a_line_without_end_keeps_the_memory_bounded() -> None:
    lines = Lines(100_000)
    for _ in range(1000):
        assert list(lines.feed(b"x" * 10_000)) == []
    (line,) = lines.feed(b"\n")
    assert line.size == 10_000_000
    assert len(line.head) <= HEAD_BYTES
    assert len(line.tail) <= 4096


def request(params: str, *, id_last: bool = False, method: str = "tools/call") -> bytes:
    if id_last:
        return f'{{"method":"{method}","params":{params},"jsonrpc":"2.0","id":7}}'.encode()
    return f'{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}'.encode()


BROKEN = {
    "deep": ('{"a":' * 300 + "1" + "}" * 300, "nested too deeply"),
    "deeper": ("[" * 5000 + "]" * 5000, "nested too deeply"),
    "surrogate": ('{"a":"\\ud800"}', "surrogate"),
    "low surrogate": ('{"a":"\\udc00"}', "surrogate"),
    "half escape": ('{"a":"\\ud800x"}', "surrogate"),
    "wide number": ('{"a":' + "9" * 5000 + "}", "number"),
    "not json": ('{"a":tru}', "not valid JSON"),
}


@pytest.mark.parametrize("id_last", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_tool_call_is_answered_as_a_failed_tool_call(case: str, id_last: bool) -> None:
    params, words = BROKEN[case]
    line = Line(request(params, id_last=id_last))
    with pytest.raises(Refused) as refused:
        parse(line.head)
    reply = answer(line, refused.value)
    assert isinstance(reply, types.JSONRPCResponse)
    assert reply.id == 7
    assert reply.result["isError"] is True
    assert words in reply.result["content"][0]["text"]


def test_an_id_inside_the_arguments_is_not_the_id_of_the_request() -> None:
    params = '{"arguments":{"id":99,"state":{"id":98,"x":"\\"id\\":97,"},"y":tru}}'
    for id_last in (False, True):
        line = Line(request(params, id_last=id_last))
        with pytest.raises(Refused) as refused:
            parse(line.head)
        reply = answer(line, refused.value)
        assert isinstance(reply, types.JSONRPCResponse)
        assert reply.id == 7


@pytest.mark.parametrize("id_last", [False, True])
def test_a_request_that_is_too_long_is_answered_by_its_id(id_last: bool) -> None:
    state = json.dumps({"text": "x" * 200_000})
    (line,) = cut(request(state, id_last=id_last) + b"\n", 65536, max_bytes=100_000)
    reply = answer(line, Refused(types.INVALID_REQUEST, "too long"))
    assert isinstance(reply, types.JSONRPCResponse)
    assert reply.id == 7


def test_invalid_utf8_is_refused() -> None:
    with pytest.raises(Refused, match="UTF-8"):
        parse(request('{"a":"b"}').replace(b'"b"', b'"\xff"'))


def test_other_broken_requests_get_a_json_rpc_error_with_their_id() -> None:
    line = Line(request("[1,]", method="tools/list"))
    reply = answer(line, Refused(types.PARSE_ERROR, "broken"))
    assert isinstance(reply, types.JSONRPCError)
    assert (reply.id, reply.error.code) == (7, types.PARSE_ERROR)


@pytest.mark.parametrize("line", [b"hello", b"[]", b"7", b'{"jsonrpc":"2.0"}', b"{", b"\x00"])
def test_a_line_without_an_id_gets_an_error_without_one(line: bytes) -> None:
    with pytest.raises(Refused) as refused:
        parse(line)
    reply = answer(Line(line), refused.value)
    assert isinstance(reply, types.JSONRPCError)
    assert reply.id is None


def test_an_id_of_another_type_is_refused_instead_of_never_answered() -> None:
    with pytest.raises(Refused, match="id"):
        parse(b'{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}')


def test_a_broken_notification_is_never_answered() -> None:
    line = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":tru}'
    with pytest.raises(Refused) as refused:
        parse(line)
    assert answer(Line(line), refused.value) is None


def test_what_is_wrong_is_told_without_the_content() -> None:
    with pytest.raises(Refused) as refused:
        parse(request('{"key":"SECRET" "b"}'))
    assert "SECRET" not in refused.value.text
    assert "byte" in refused.value.text


def test_a_byte_order_mark_is_passed_over() -> None:
    assert isinstance(parse(b"\xef\xbb\xbf" + request("{}")), types.JSONRPCRequest)


@given(st.binary(max_size=300))
def test_no_line_makes_it_fail(line: bytes) -> None:
    try:
        parse(line)
    except Refused as refused:
        answer(Line(line), refused)
