// What `doctor` checks without a server: the runtime, the state folder, the port, and pi's own files.
// Used by: src/cli/commands/doctor.ts.
// Invariant: no secret is printed; of credentials only the provider's name and where they are.
import { agentFolder } from "../../base/pi_folders.ts";
import { errorMessage } from "../../base/error_message.ts";
import { isRecord } from "../../base/json.ts";
import { SERVER_VERSION } from "../../protocol/version.ts";
import type { Io } from "../subcommand.ts";
import { fail, type Finding, ok, warn } from "./finding.ts";

const DEFAULT_PORT = 3141;
const DEFAULT_HOST = "127.0.0.1";
const OTHERS = 0o077;

/** Variables in which pi looks for a provider's key, by provider (pi 0.73.1). */
const KEY_VARIABLES: Readonly<Record<string, readonly string[]>> = {
  anthropic: ["ANTHROPIC_OAUTH_TOKEN", "ANTHROPIC_API_KEY"],
  "azure-openai-responses": ["AZURE_OPENAI_API_KEY"],
  cerebras: ["CEREBRAS_API_KEY"],
  "cloudflare-workers-ai": ["CLOUDFLARE_API_KEY"],
  deepseek: ["DEEPSEEK_API_KEY"],
  fireworks: ["FIREWORKS_API_KEY"],
  "github-copilot": ["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
  google: ["GEMINI_API_KEY"],
  "google-vertex": ["GOOGLE_CLOUD_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"],
  groq: ["GROQ_API_KEY"],
  huggingface: ["HF_TOKEN"],
  "kimi-coding": ["KIMI_API_KEY"],
  minimax: ["MINIMAX_API_KEY"],
  mistral: ["MISTRAL_API_KEY"],
  moonshotai: ["MOONSHOT_API_KEY"],
  openai: ["OPENAI_API_KEY"],
  opencode: ["OPENCODE_API_KEY"],
  openrouter: ["OPENROUTER_API_KEY"],
  "vercel-ai-gateway": ["AI_GATEWAY_API_KEY"],
  xai: ["XAI_API_KEY"],
  xiaomi: ["XIAOMI_API_KEY"],
  zai: ["ZAI_API_KEY"],
};

/** The versions of what runs this, and whether workers can be held to permissions. */
export function checkRuntime(io: Io): readonly Finding[] {
  const name = io.build === "node" ? "Node" : "Deno";
  const build = io.build === "binary"
    ? `the binary (${name} ${io.runtimeVersion})`
    : `${name} ${io.runtimeVersion}`;
  const version = ok("version", `pi-server ${SERVER_VERSION} on ${build}, ${io.system}`);
  const [sandbox] = io.build === "binary"
    ? [ok("sandbox", "a server holds its sessions to Deno permissions (pi-server permissions prints them)")]
    : io.build === "deno"
    ? [
      warn(
        "sandbox",
        "plain Deno does not hold sessions to permissions",
        "start with --sandbox on",
      ),
    ]
    : [warn("sandbox", "Node cannot hold sessions to permissions", "use the binary where that matters")];
  return sandbox === undefined ? [version] : [version, sandbox];
}

/** The state folder and what must be private in it. */
export async function checkStateFolder(io: Io, folder: string): Promise<readonly Finding[]> {
  const found = await io.stat(folder);
  if (found === undefined) return [ok("state folder", `${folder} is made at the first start`)];
  if (found.kind !== "directory") {
    return [fail("state folder", `${folder} is not a folder`, "move it away, or choose another --state-dir")];
  }
  if (!await io.writable(folder)) {
    return [
      fail(
        "state folder",
        `${folder} is not writable for you`,
        "give it to yourself, or choose another --state-dir",
      ),
    ];
  }
  const findings: Finding[] = [];
  if (io.system !== "win32" && (found.mode & OTHERS) !== 0) {
    findings.push(warn("state folder", `other users can look into ${folder}`, `chmod 700 ${folder}`));
  } else findings.push(ok("state folder", folder));
  const token = io.join(folder, "token");
  const file = await io.stat(token);
  if (file !== undefined && io.system !== "win32" && (file.mode & OTHERS) !== 0) {
    findings.push(
      fail(
        "token",
        `other users can read ${token}`,
        `chmod 600 ${token}, or remove it: the next start makes a new one`,
      ),
    );
  }
  return findings;
}

/** Whether a server could listen where it would; only asked while none runs. */
export async function checkPort(io: Io): Promise<Finding> {
  const port = Number(io.env("PI_SERVER_PORT") ?? DEFAULT_PORT);
  const host = io.env("PI_SERVER_HOST") ?? DEFAULT_HOST;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return fail(
      "port",
      `PI_SERVER_PORT is "${io.env("PI_SERVER_PORT")}"`,
      "set it to a port from 0 to 65535",
    );
  }
  if (port === 0 || await io.portFree(host, port)) return ok("port", `${host}:${port} is free for a server`);
  return fail(
    "port",
    `${host}:${port} is in use by another program`,
    "start with --port 0, or another --port",
  );
}

/** A JSON file of pi's; its value, or what is wrong with it. */
async function readJson(io: Io, file: string): Promise<{ value?: unknown; wrong?: string }> {
  let text: string | undefined;
  try {
    text = await io.read(file);
  } catch (error) {
    return { wrong: `cannot be read: ${errorMessage(error)}` };
  }
  if (text === undefined) return {};
  try {
    return { value: JSON.parse(text) };
  } catch {
    return { wrong: "is not JSON" };
  }
}

/** pi's settings and models. */
export async function checkSettings(io: Io): Promise<readonly Finding[]> {
  const folder = agentFolder(io);
  const findings: Finding[] = [];
  for (const name of ["settings.json", "models.json"]) {
    const file = io.join(folder, name);
    const { value, wrong } = await readJson(io, file);
    if (wrong !== undefined) {
      findings.push(fail("pi's files", `${file} ${wrong}`, "mend it; pi ignores it until then"));
    } else if (value !== undefined) findings.push(ok("pi's files", file));
  }
  return findings.length > 0 ? findings : [ok("pi's files", `${folder} has no settings, pi's defaults hold`)];
}

/** Which providers have credentials, and where. */
export async function checkCredentials(io: Io): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const file = io.join(agentFolder(io), "auth.json");
  const { value, wrong } = await readJson(io, file);
  if (wrong !== undefined) {
    findings.push(fail("credentials", `${file} ${wrong}`, "log in with pi again (/login)"));
  }
  for (const [provider, login] of Object.entries(isRecord(value) ? value : {})) {
    if (!isRecord(login)) continue;
    const { type, expires } = login;
    const over = typeof expires === "number" && expires < io.now() ? ", to be renewed at its next use" : "";
    findings.push(
      ok("credentials", `${provider}: ${type === "oauth" ? "a login" : "a key"} in auth.json${over}`),
    );
  }
  const mode = (await io.stat(file))?.mode ?? 0;
  if (io.system !== "win32" && (mode & OTHERS) !== 0) {
    findings.push(fail("credentials", `other users can read ${file}`, `chmod 600 ${file}`));
  }
  for (const [provider, names] of Object.entries(KEY_VARIABLES)) {
    const name = names.find((one) => io.env(one) !== undefined);
    if (name !== undefined) findings.push(ok("credentials", `${provider}: a key in the variable ${name}`));
  }
  if (findings.length > 0) return findings;
  const next = "log in with pi (/login), set a variable such as ANTHROPIC_API_KEY, or try --demo";
  return [warn("credentials", "no provider has any here; models.json may name some", next)];
}
