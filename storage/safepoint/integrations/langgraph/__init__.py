"""LangGraph's checkpoints in Safepoint: `pip install safepoint[langgraph]`.

with SafepointSaver.open("~/safepoint") as saver:
    graph = builder.compile(checkpointer=saver)
"""

from safepoint.integrations.langgraph.saver import SafepointSaver
from safepoint.integrations.langgraph.serializer import StrictSerializer

__all__ = ["SafepointSaver", "StrictSerializer"]
