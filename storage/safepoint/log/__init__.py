"""The log of one workspace: what a change means, and how it becomes durable."""
