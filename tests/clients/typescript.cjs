// An agent whose client is a TypeScript SDK of MCP. Its only argument is JSON: `sdk` (1 or 2), `era`,
// `url` or `command`, and `person`, what every dialog is answered, or null. It tells the protocol
// that it agreed on, and then reads one request a line and writes one answer a line.

const { createInterface } = require("node:readline");

const asked = JSON.parse(process.argv[2]);
const INFO = { name: "typescript", version: "1.0" };
const OPTIONS = { capabilities: asked.person ? { elicitation: { form: {} } } : {} };
const METHODS = {
  "tools/list": "listTools",
  "tools/call": "callTool",
  "resources/list": "listResources",
  "resources/read": "readResource",
  "resources/subscribe": "subscribeResource",
  "prompts/get": "getPrompt",
  "completion/complete": "complete",
};

// The first notification is kept: a request of its name is answered with it.
const UPDATED = "notifications/resources/updated";
let updated;
const update = new Promise((resolve) => (updated = resolve));

function tell(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function transport(StreamableHTTPClientTransport, StdioClientTransport) {
  if (asked.url) return new StreamableHTTPClientTransport(new URL(asked.url));
  const [command, ...args] = asked.command;
  return new StdioClientTransport({ command, args, env: process.env });
}

async function first() {
  const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
  const http = require("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const stdio = require("@modelcontextprotocol/sdk/client/stdio.js");
  const types = require("@modelcontextprotocol/sdk/types.js");
  const client = new Client(INFO, OPTIONS);
  if (asked.person) client.setRequestHandler(types.ElicitRequestSchema, () => asked.person);
  client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, updated);
  await client.connect(
    transport(http.StreamableHTTPClientTransport, stdio.StdioClientTransport),
  );
  return [client, types.LATEST_PROTOCOL_VERSION];
}

async function second() {
  const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
  const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");
  const client = new Client(INFO, { ...OPTIONS, versionNegotiation: { mode: asked.era } });
  if (asked.person) client.setRequestHandler("elicitation/create", () => asked.person);
  client.setNotificationHandler(UPDATED, updated);
  await client.connect(transport(StreamableHTTPClientTransport, StdioClientTransport));
  return [client, client.getNegotiatedProtocolVersion()];
}

async function answer(client, method, params) {
  if (method === UPDATED) return (await update).params;
  if (method !== "subscriptions/listen") return client[METHODS[method]](params);
  return (await client.listen(params.notifications)).honoredFilter;
}

async function main() {
  const [client, protocol] = await (asked.sdk === 1 ? first() : second());
  tell({ protocol });
  for await (const line of createInterface({ input: process.stdin })) {
    const { method, params } = JSON.parse(line);
    try {
      tell({ result: await answer(client, method, params) });
    } catch (error) {
      tell({ error: String(error) });
    }
  }
  await client.close();
}

main();
