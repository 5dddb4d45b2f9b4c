"""Agents of both protocol eras on replicas that are killed again and again: `make soak`."""
