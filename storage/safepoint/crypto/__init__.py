"""Sealing and keys: pure functions from bytes and randomness to bytes."""
