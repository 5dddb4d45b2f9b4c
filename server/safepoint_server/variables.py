"""The one table of environment variables; documentation is tested against it."""

from __future__ import annotations

from typing import Final

from safepoint.values import dataclass

__all__ = ["VARIABLES", "Variable"]


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its name, its default in words and what it means."""

    name: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable(
        "SAFEPOINT_STORE",
        "a store in the user's data folder",
        "Where workspaces are kept: a path, s3://bucket/prefix, or memory:// (gone at exit).",
    ),
    Variable(
        "SAFEPOINT_KEY_FILE",
        "a file in the user's configuration folder, made on first use",
        "The key file that opens the store.",
    ),
    Variable(
        "SAFEPOINT_PASSPHRASE", "none", "A passphrase that opens the store, instead of a key file."
    ),
    Variable(
        "SAFEPOINT_KMS_KEY",
        "none",
        "The ARN of an AWS KMS key that opens the store, instead of a key file.",
    ),
    Variable(
        "SAFEPOINT_TOKEN",
        "none",
        "The bearer token that clients send to the server of `setup --http`; only they read it.",
    ),
    Variable(
        "SAFEPOINT_DST_PASSPHRASE",
        "as for the source",
        "The passphrase of the store that `copy` copies into, when that is another store.",
    ),
    Variable(
        "SAFEPOINT_NEW_PASSPHRASE", "asked for", "The passphrase that `keys add --passphrase` adds."
    ),
    Variable(
        "SAFEPOINT_KEEP_PASSPHRASE",
        "asked for",
        "The passphrase that `keys rotate --keep-passphrase` keeps.",
    ),
    Variable("SAFEPOINT_LOG", "info", "How much to log on stderr: debug, info, warning or error."),
    Variable("SAFEPOINT_LOG_FORMAT", "text", "Log lines as text or json."),
    Variable(
        "SAFEPOINT_TOOLSETS", "core", "Which tools to offer: core, history or both (core,history)."
    ),
    Variable(
        "SAFEPOINT_PAGES",
        "counts",
        "What index.html in the store shows, unencrypted: full (names), counts, or off.",
    ),
    Variable(
        "SAFEPOINT_PRUNE",
        "auto",
        "Whether old versions are pruned behind saves where there is a policy: auto or off.",
    ),
    Variable(
        "SAFEPOINT_TRANSPORT",
        "stdio",
        "How `serve` is reached: stdio (by the client that starts it) or http.",
    ),
    Variable("SAFEPOINT_HOST", "127.0.0.1", "The address that `serve` listens on, over HTTP."),
    Variable("SAFEPOINT_PORT", "8765", "The port that it listens on; 0 takes any that is free."),
    Variable("SAFEPOINT_PATH", "/mcp", "The path of its MCP endpoint."),
    Variable(
        "SAFEPOINT_PUBLIC_URL",
        "none",
        "The URL by which clients reach that endpoint, where a proxy stands before it.",
    ),
    Variable(
        "SAFEPOINT_ALLOWED_HOSTS",
        "none",
        "Host headers to accept besides those of this machine and the public URL; spaces between.",
    ),
    Variable(
        "SAFEPOINT_ALLOWED_ORIGINS",
        "none",
        "Origin headers to accept besides, such as https://app.example.com; spaces between.",
    ),
    Variable(
        "SAFEPOINT_AUTH",
        "none",
        "What callers over HTTP bring: none, tokens (of this store), oauth, or both of these.",
    ),
    Variable(
        "SAFEPOINT_OAUTH_ISSUER",
        "none",
        "The URL of the OAuth issuer whose access tokens are taken, as its metadata name it.",
    ),
    Variable(
        "SAFEPOINT_OAUTH_AUDIENCE",
        "the public URL",
        "For whom access tokens must be issued (the claim aud).",
    ),
    Variable(
        "SAFEPOINT_OAUTH_JWKS_URL",
        "as the issuer's metadata say",
        "Where the keys are that the issuer signs with.",
    ),
    Variable(
        "SAFEPOINT_OAUTH_SCOPES",
        "read=safepoint:read write=safepoint:write …",
        "What the scopes read, write, approve and admin are called in access tokens.",
    ),
    Variable(
        "SAFEPOINT_OAUTH_TENANT_CLAIM",
        "none",
        "The claim of an access token that names its tenant; then every token must have it.",
    ),
    Variable(
        "SAFEPOINT_TENANTS",
        "existing",
        "Whether the first access token of a tenant makes its store: existing (no) or create.",
    ),
    Variable("SAFEPOINT_MAX_TENANTS", "32", "Most stores of tenants that are open at once."),
    Variable(
        "SAFEPOINT_TRUSTED_PROXIES",
        "none",
        "Addresses of proxies whose X-Forwarded headers count; spaces between.",
    ),
    Variable("SAFEPOINT_TLS_CERT", "none", "A certificate (PEM, with its chain), to serve TLS."),
    Variable("SAFEPOINT_TLS_KEY", "none", "The private key of that certificate."),
    Variable(
        "SAFEPOINT_HOOKS",
        "full",
        "What hooks of clients record: full, no-messages (not what was said), or off (no hooks).",
    ),
    Variable("SAFEPOINT_HOOK_SECONDS", "2", "How long a hook may take before it gives up."),
    Variable(
        "SAFEPOINT_ELICITATION",
        "on",
        "Whether people may answer approvals in dialogs of MCP clients: on or off.",
    ),
    Variable(
        "SAFEPOINT_WATCH_SECONDS",
        "5",
        "How often what clients subscribe to is looked at for changes by others, in seconds.",
    ),
    Variable(
        "SAFEPOINT_ALLOWED_PATHS",
        "none",
        "Folders whose files tools may read and write, separated as in PATH.",
    ),
    Variable(
        "SAFEPOINT_ALLOWED_S3",
        "none",
        "Addresses such as s3://bucket/prefix below which references are checked; spaces between.",
    ),
    Variable("SAFEPOINT_MAX_STATE_BYTES", "16MiB", "Largest state of a workspace, as JSON."),
    Variable("SAFEPOINT_MAX_RESULT_BYTES", "256KiB", "Largest result of a step, as JSON."),
    Variable("SAFEPOINT_MAX_SUMMARY_BYTES", "4KiB", "Longest summary, goal or next action."),
    Variable("SAFEPOINT_MAX_LABEL_CHARS", "200", "Longest label, in characters."),
    Variable("SAFEPOINT_MAX_STEPS", "10000", "Most steps in one run of a workspace."),
    Variable("SAFEPOINT_MAX_ARTIFACT_BYTES", "64GiB", "Largest artifact."),
    Variable("SAFEPOINT_MAX_LEASE_SECONDS", "86400", "Longest lease that a step can be given."),
    Variable("SAFEPOINT_MAX_REQUEST_BYTES", "20MiB", "Largest single MCP message that is read."),
    Variable("SAFEPOINT_CACHE_BYTES", "256MiB", "Memory for the newest versions of workspaces."),
)
