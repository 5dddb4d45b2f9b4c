"""Resources: so far the current artifacts of workspaces, whole, up to a size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote

from mcp.server import MCPServer
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.shared.uri_template import UriTemplate
from mcp.types import InputRequiredResult
from pydantic import AnyUrl

from safepoint import NotFound, SafepointError
from safepoint_server.access import Door
from safepoint_server.errors import refusal
from safepoint_server.names import check_workspace_name
from safepoint_server.texts import is_text

__all__ = ["ARTIFACT", "RESOURCE_BYTES", "ResourceServer", "artifact_uri"]

ARTIFACT: Final = "safepoint://workspaces/{name}/artifacts/{artifact}"
RESOURCE_BYTES: Final = 8 * 1024 * 1024
"""What a reply that cannot be asked for in parts takes at most."""

_ARTIFACT = UriTemplate.parse(ARTIFACT)


def artifact_uri(workspace: str, artifact: str) -> str:
    """Each name is one part of the address: a slash in it is escaped."""
    return (
        f"safepoint://workspaces/{quote(workspace, safe='')}/artifacts/{quote(artifact, safe='')}"
    )


class ResourceServer(MCPServer[Any]):
    """An MCPServer with these resources, each with its own media type."""

    def __init__(self, door: Door, **options: Any) -> None:
        super().__init__("safepoint", **options)
        self._door = door

        @self.resource(
            ARTIFACT,
            name="artifact",
            title="Artifact",
            description="The current revision of an artifact; / in its name is %2F.",
            mime_type="application/octet-stream",
        )
        async def artifact_resource(name: str, artifact: str, ctx: Context[Any, Any]) -> bytes:
            content = await self._artifact(ctx, name, artifact)
            return content[0]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """See MCPServer.read_resource."""
        found = _ARTIFACT.match(str(uri))
        if found is None or context is None:
            return await super().read_resource(uri, context)
        data, media_type = await self._artifact(context, str(found["name"]), str(found["artifact"]))
        if is_text(media_type):
            try:
                return [ReadResourceContents(content=data.decode(), mime_type=media_type)]
            except UnicodeDecodeError:
                pass
        return [ReadResourceContents(content=data, mime_type=media_type)]

    async def _artifact(
        self, context: Context[Any, Any], name: str, artifact: str
    ) -> tuple[bytes, str]:
        """Raises ResourceError, and for what is not there ResourceNotFoundError."""
        try:
            store = (await self._door.admit(context)).store
            check_workspace_name(name)
            artifacts = store.workspace(name).artifacts
            info = await artifacts.info(artifact)
            if info.size > RESOURCE_BYTES:
                raise ResourceError(
                    f"The artifact has {info.size:,} bytes, and a resource is read whole, up to "
                    f"{RESOURCE_BYTES:,}. Call load_artifact for parts of it, or with path."
                )
            return await artifacts.load(artifact, revision=info.revision), info.media_type
        except NotFound as error:
            raise ResourceNotFoundError(str(refusal(error))) from None
        except SafepointError as error:
            raise ResourceError(str(refusal(error))) from None
