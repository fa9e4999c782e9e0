// Does: lists the hosts of pi 0.73.1's built-in models and logins. A test compares them with pi's own table.
// Used by: worker_permissions.ts. The permissions must stand before pi is loaded.

/** Hosts of pi's table of models, sorted. */
export const MODEL_HOSTS: readonly string[] = [
  "ai-gateway.vercel.sh",
  "api.anthropic.com",
  "api.cerebras.ai",
  "api.cloudflare.com",
  "api.deepseek.com",
  "api.fireworks.ai",
  "api.groq.com",
  "api.individual.githubcopilot.com",
  "api.kimi.com",
  "api.minimax.io",
  "api.minimaxi.com",
  "api.mistral.ai",
  "api.moonshot.ai",
  "api.moonshot.cn",
  "api.openai.com",
  "api.x.ai",
  "api.xiaomimimo.com",
  "api.z.ai",
  "bedrock-runtime.eu-central-1.amazonaws.com",
  "bedrock-runtime.us-east-1.amazonaws.com",
  "chatgpt.com",
  "gateway.ai.cloudflare.com",
  "generativelanguage.googleapis.com",
  "opencode.ai",
  "openrouter.ai",
  "router.huggingface.co",
  "token-plan-ams.xiaomimimo.com",
  "token-plan-cn.xiaomimimo.com",
  "token-plan-sgp.xiaomimimo.com",
];

/** Hosts that refresh logins. Copilot has one for each kind of account. */
export const LOGIN_HOSTS: readonly string[] = [
  "*.githubcopilot.com",
  "api.github.com",
  "auth.openai.com",
  "claude.ai",
  "console.anthropic.com",
  "github.com",
  "oauth2.googleapis.com",
  "platform.claude.com",
];

/**
 * Hosts of providers with one host for each region or customer, as pi builds them from the environment. No wildcard,
 * because any person can have a name under such a domain.
 */
export function regionalHosts(env: (name: string) => string | undefined): string[] {
  const aws = env("AWS_REGION") ?? env("AWS_DEFAULT_REGION");
  const google = env("GOOGLE_CLOUD_LOCATION");
  const azure = env("AZURE_OPENAI_RESOURCE_NAME");
  return [
    ...(aws === undefined ? [] : [`bedrock-runtime.${aws}.amazonaws.com`, `sts.${aws}.amazonaws.com`]),
    ...(google === undefined ? [] : [`${google}-aiplatform.googleapis.com`, "aiplatform.googleapis.com"]),
    ...(azure === undefined ? [] : [`${azure}.openai.azure.com`]),
    ...["AZURE_OPENAI_BASE_URL", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "LLAMA_BASE_URL"].flatMap((name) =>
      hostsIn(env(name) ?? "")
    ),
  ].filter((host) => /^[a-z0-9.[\]:-]+$/i.test(host));
}

/** The hosts, with their ports, of every address in a text. */
export function hostsIn(text: string): string[] {
  const found = text.matchAll(
    /\b(?:https?|wss?):\/\/(?:[^\s/"'@]*@)?(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?/gi,
  );
  return [...found].map(([, host = "", port = ""]) => `${host.toLowerCase()}${port}`);
}
