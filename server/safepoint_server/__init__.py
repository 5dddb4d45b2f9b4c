"""The Safepoint server: an MCP server over a Safepoint store, and its command line."""
