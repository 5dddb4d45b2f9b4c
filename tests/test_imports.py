"""What is public stays public, and starting up loads nothing heavy that is not used."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import safepoint
import safepoint_server

PUBLIC = [
    "Store", "Workspace", "JSON", "UNSET", "Actor", "Blocker", "Brief", "Checkpoint",
    "CheckpointInfo", "CheckpointKind", "Decision", "Deleted", "Event", "InFlight", "KeySlot",
    "DataKeys", "KeysRotated", "RotatedWorkspace",
    "Limits", "Marked", "ObjectStore", "Pace", "Page", "PagesPolicy", "Patience", "Plan",
    "PlannedStep",
    "Progress", "Saved", "Started", "Step", "StepStatus", "Token", "Unset",
    "WorkspaceInfo",
    "WorkspaceStatus",
    "Conflict", "Damaged", "InvalidInput", "LimitExceeded", "NotFound", "OutcomeUnknown",
    "Change", "ChangeKind", "Changes", "Comparison", "Forked", "NewRun", "PastEffect", "Rewound",
    "Run", "Approval", "ApprovalNeed", "ApprovalStatus", "Decided", "Due", "Requested", "Verdict",
    "Pruned", "Retention", "RetentionPolicy", "Figures", "Observer",
    "Problem", "RepairReport", "VerifyReport", "Reference", "ReferenceCheck", "ReferenceStatus",
    "ArtifactInfo", "RemovedArtifact", "RestoredFolder", "SavedFolder",
    "SafepointError", "Unavailable", "Unsupported", "WrongKey", "__version__",
    "default_key_file", "default_seen_folder", "default_store_path",
]  # fmt: skip

MODULES = sorted(
    module.name
    for package in (safepoint, safepoint_server)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not module.name.endswith("__main__")
)


def run(code: str) -> str:
    """What the code prints in a Python of its own, where every warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(module: str) -> set[str]:
    """The top-level modules that are there after an import."""
    return set(
        run(f"import sys, {module}\nprint(*{{n.split('.')[0] for n in sys.modules}})").split()
    )


def test_the_public_names_of_the_library_are_these() -> None:
    assert sorted(safepoint.__all__) == sorted(PUBLIC)
    assert all(hasattr(safepoint, name) for name in PUBLIC)


def test_the_library_loads_without_cloud_terminal_or_protocol() -> None:
    heavy = {"boto3", "botocore", "jinja2", "rich", "mcp", "pydantic", "safepoint_server"}
    heavy |= {"langgraph", "langchain_core", "agents", "openai"}  # load with their integration
    heavy |= {"http", "email"}  # which urllib.request brings
    assert not loaded_by("safepoint") & heavy


def test_durable_steps_load_when_they_are_used_and_bring_nothing_heavy() -> None:
    assert run("import sys, safepoint; print('safepoint.integrations' in sys.modules)") == "False\n"
    unused = {"temporalio", "dagster", "boto3", "mcp", "pydantic", "rich"}
    assert not loaded_by("safepoint.integrations.durable") & unused


def written_by(module: str) -> set[str]:
    """The frozen dataclasses of ours whose constructors are there after an import."""
    return set(
        run(
            f"""import sys, types, {module}
for name, module in list(sys.modules.items()):
    for kind in vars(module).values() if name.split(".")[0].startswith("safepoint") else ():
        if isinstance(kind, type) and kind.__module__ == name and "__slots__" in vars(kind):
            frozen = hasattr(kind, "__dataclass_params__") and kind.__dataclass_params__.frozen
            if frozen and isinstance(vars(kind).get("__init__"), types.FunctionType):
                print(kind.__name__)
"""
        ).split()
    )


def test_an_import_writes_the_methods_of_those_values_only_that_it_makes() -> None:
    made = {"Actor", "Document", "StateChange", "StepEntry", "Versions"}
    assert written_by("safepoint") <= made
    assert written_by("safepoint_server.app") <= made | {"ToolSpec", "Variable"}


def test_the_server_starts_without_what_only_saves_need() -> None:
    loaded = run("import sys, safepoint_server.app; print(*sys.modules)").split()
    assert "safepoint_server.credentials" not in loaded  # it compiles patterns


@pytest.mark.parametrize("module", ["safepoint_server.app", "safepoint_server.cli"])
def test_the_server_starts_without_cloud_or_pages(module: str) -> None:
    unused = {"boto3", "botocore", "jinja2", "pytest", "hypothesis", "langgraph"}
    unused |= {"prometheus_client"}  # only where metrics are served
    assert not loaded_by(module) & unused


def test_the_command_line_loads_the_protocol_only_to_serve() -> None:
    assert not loaded_by("safepoint_server.cli") & {"mcp", "rich"}


def test_a_hook_reads_git_and_transcript_before_it_loads_the_library() -> None:
    assert not loaded_by("safepoint_server.cli.hook") & {"safepoint", "asyncio", "pydantic"}


def test_every_module_can_be_imported_without_a_warning() -> None:
    run("\n".join(["import importlib", f"for n in {MODULES!r}: importlib.import_module(n)"]))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_lists_only_what_it_has(module: str) -> None:
    loaded = __import__(module, fromlist=["__all__"])
    assert [name for name in getattr(loaded, "__all__", []) if not hasattr(loaded, name)] == []
