"""Sessions and interrupted runs of the OpenAI Agents SDK in workspaces.

Needs `pip install 'safepoint[openai-agents]'`; nothing else in Safepoint imports the SDK.
"""

from safepoint.integrations.openai_agents.run_state import (
    SavedRunState,
    discard_run_state,
    load_run_state,
    save_run_state,
)
from safepoint.integrations.openai_agents.session import Compact, SafepointSession

__all__ = [
    "Compact",
    "SafepointSession",
    "SavedRunState",
    "discard_run_state",
    "load_run_state",
    "save_run_state",
]
