"""Files of settings as the clients themselves write them, each with servers and hooks of others."""

from __future__ import annotations

from typing import Final

__all__ = ["HOOKS", "SERVERS"]

SERVERS: Final = {
    "claude-code": """\
{
  "firstStartTime": "2026-11-29T05:50:01.195Z",
  "numStartups": 12,
  "projects": {
    "/home/ann/shop": {
      "allowedTools": [],
      "mcpServers": {
        "safepoint": {"type": "stdio", "command": "/opt/other", "args": []}
      },
      "hasTrustDialogAccepted": true
    }
  },
  "mcpServers": {
    "github": {
      "type": "http",
      "url": "https://api.example.com/mcp",
      "headers": {
        "Authorization": "Bearer ghp_0123456789abcdefghijklmnopqrstuvwxyz"
      }
    }
  },
  "userID": "5673f9c0faf28a74e51c29d36219984fae90cd6a150205e11a10279761311db3"
}""",
    "claude-desktop": """\
{
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/ann/Desktop"]
    }
  },
  "globalShortcut": ""
}
""",
    "vscode": """\
{
\t"inputs": [
\t\t{
\t\t\t"type": "promptString",
\t\t\t"id": "github-token",
\t\t\t"description": "GitHub token",
\t\t\t"password": true
\t\t}
\t],
\t"servers": {
\t\t// the one that everybody has
\t\t"github": {
\t\t\t"type": "http",
\t\t\t"url": "https://api.example.com/mcp",
\t\t\t"headers": {"Authorization": "Bearer ${input:github-token}"},
\t\t},
\t}
}
""",
    "cursor": '{"mcpServers":{"linear":{"command":"npx","args":["-y","mcp-remote"]}}}',
    "windsurf": """\
{
    "mcpServers": {
        "figma": {
            "serverUrl": "https://figma.example.com/mcp",
            "disabled": false,
            "disabledTools": []
        }
    }
}
""",
    "codex": """\
model = "gpt-5"  # the large one
model_reasoning_effort = "high"

[projects."/home/ann/shop"]
trust_level = "trusted"

[mcp_servers.docs]
command = "npx"
args = [
  "-y",
  "docs-mcp",  # comments stay
]
[mcp_servers.docs.env]
TOKEN = "abc"

[[skills.config]]
path = "/home/ann/skills"

[tui]
notifications = true
""",
    "gemini-cli": """\
{
  "security": {
    "auth": {
      "selectedType": "oauth-personal"
    }
  },
  "hooks": {
    "SessionStart": [
      {
        "matcher": "startup",
        "hooks": [
          {
            "name": "greet",
            "type": "command",
            "command": "/home/ann/bin/greet"
          }
        ]
      }
    ]
  }
}""",
    "zed": """\
// Zed settings
//
// For information on how to configure Zed, see the Zed
// documentation: https://zed.dev/docs/configuring-zed
{
  "theme": {
    "mode": "system",
    "light": "One Light",
    "dark": "One Dark", // as at home
  },
  "ui_font_size": 16,
  /* servers
     of mine */
  "context_servers": {
    "postgres": {
      "command": "pg-mcp",
      "args": ["--ro"],
    },
  },
}
""",
}

HOOKS: Final = {
    "claude-code": """\
{
  "permissions": {
    "allow": ["Bash(npm run test:*)"]
  },
  "hooks": {
    "Stop": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "afplay /System/Library/Sounds/Glass.aiff"
          }
        ]
      }
    ],
    "PostToolUse": [
      {
        "matcher": "Edit|Write",
        "hooks": [
          {
            "type": "command",
            "command": "npx prettier --write"
          }
        ]
      }
    ]
  },
  "model": "opus"
}
""",
    "cursor": """\
{
  "version": 1,
  "hooks": {
    "afterFileEdit": [{ "command": "./hooks/format.sh" }],
    "stop": [{ "command": "./hooks/audit.sh", "timeout": 30 }]
  }
}
""",
    "codex": """\
{
  "hooks": {
    "SessionStart": [
      {
        "matcher": "startup|resume",
        "hooks": [
          {
            "type": "command",
            "command": "python3 ~/.codex/hooks/start.py",
            "statusMessage": "Loading notes"
          }
        ]
      }
    ]
  }
}
""",
}
