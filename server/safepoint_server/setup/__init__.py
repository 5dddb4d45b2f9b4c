"""How MCP clients come to start this very installation, and how they stop doing so."""
