"""Safepoint: persistent, encrypted checkpoint workspaces for AI agents."""
