"""For anyone who writes an object store, or wants to see a program survive a bad one.

`safepoint.testing.contract` holds the tests every store must pass (needs pytest and hypothesis:
`pip install safepoint[testing]`), `safepoint.testing.streams` those for stores of streams;
`safepoint.testing.faults` holds stores that fail on purpose.
"""
