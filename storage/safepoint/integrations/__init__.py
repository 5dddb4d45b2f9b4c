"""Safepoint for frameworks. Each integration is an optional extra and loads only when imported."""
