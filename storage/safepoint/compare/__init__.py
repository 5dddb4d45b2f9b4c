"""What differs between two versions of a workspace: state, steps, approvals, artifacts, texts."""

from safepoint.compare.documents import compare_documents
from safepoint.compare.values import compare_json

__all__ = ["compare_documents", "compare_json"]
