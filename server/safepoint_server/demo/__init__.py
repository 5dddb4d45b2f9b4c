"""The demonstration: an agent that is killed again and again finishes its job, once.

director  starts the others, kills, resumes, checks from outside
agent     works step by step through an MCP server; knows nothing of being killed
tickets   the outside world: an HTTP service that files tickets
"""
