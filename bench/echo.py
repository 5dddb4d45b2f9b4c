"""A bare MCP server with one tool, run as a program: what Safepoint's own server is compared to."""

from __future__ import annotations

from mcp.server import MCPServer

__all__ = ["main"]


def main() -> None:
    server = MCPServer("echo")

    @server.tool()
    async def echo(text: str) -> str:
        """Give the text back."""
        return text

    server.run("stdio")


if __name__ == "__main__":
    main()
