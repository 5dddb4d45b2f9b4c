"""A bare MCP server with one tool, run as a program: what Safepoint's own server is compared to.

On its pipes, or with a port as argument over HTTP, in the way in which Safepoint's server does.
"""

from __future__ import annotations

import sys

from mcp.server import MCPServer

__all__ = ["main"]


def main(port: int | None = None) -> None:
    server = MCPServer("echo")

    @server.tool()
    async def echo(text: str) -> str:
        """Give the text back."""
        return text

    if port is None:
        server.run("stdio")
        return
    import uvicorn

    app = server.streamable_http_app(stateless_http=True)
    uvicorn.run(app, port=port, log_config=None, access_log=False, server_header=False)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
