"""What clients run by themselves: a brief when a session begins, a note of it when it pauses.

Modules up to `note` load nothing of the library, so that git and the transcript are read meanwhile.
"""
