"""`safepoint answer`: a person picks an option, or fills in the form that was asked for."""

from __future__ import annotations

import argparse
import json
from typing import Any

from safepoint import JSON, Approval, InvalidInput, Verdict
from safepoint_server.cli import deciding

EXAMPLES = """\
examples:
  safepoint answer my-task which-region --option eu-west-1
  safepoint answer my-task limits amount=5 currency=EUR
  safepoint answer my-task limits --json-answer '{"amount": 5}'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deciding.add_arguments(parser)
    parser.add_argument(
        "fields", nargs="*", metavar="KEY=VALUE", help="a property of the answer; repeat for more"
    )
    parser.add_argument("--option", metavar="TEXT", help="one of the options")
    parser.add_argument("--json-answer", metavar="JSON", help="the answer as JSON")


def run(args: argparse.Namespace) -> int:
    given = [args.option is not None, args.json_answer is not None, bool(args.fields)]
    if sum(given) != 1:
        raise InvalidInput(
            "an answer is given in one way: KEY=VALUE …, --option or --json-answer",
            hint="`safepoint inbox` shows what is asked.",
        )
    return deciding.decide(args, Verdict.ANSWER, lambda approval: _answer(args, approval))


def _answer(args: argparse.Namespace, approval: Approval) -> JSON:
    if args.option is not None:
        return str(args.option)
    if args.json_answer is not None:
        try:
            answer: JSON = json.loads(args.json_answer)
        except (ValueError, RecursionError):
            raise InvalidInput(
                "--json-answer is not JSON", hint="Quote it for the shell."
            ) from None
        return answer
    schema: Any = approval.answer_schema
    properties = schema["properties"] if isinstance(schema, dict) else {}
    return dict(_field(field, properties) for field in args.fields)


def _field(field: str, properties: dict[str, Any]) -> tuple[str, JSON]:
    """A text as the form has it; whether it fits is checked with the decision."""
    name, equals, text = field.partition("=")
    if not equals:
        raise InvalidInput(f"{field!r} is not KEY=VALUE", hint="Write it as in amount=5.")
    if properties.get(name, {}).get("type") in ("integer", "number", "boolean"):
        try:
            value: JSON = json.loads(text)
        except (ValueError, RecursionError):
            return name, text
        return name, value
    return name, text
