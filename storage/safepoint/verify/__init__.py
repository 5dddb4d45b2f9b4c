"""Verify: whether everything in a store is what was written; repair: going on without what is not."""
