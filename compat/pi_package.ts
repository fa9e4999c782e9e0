// Stands in the place of src/protocol/pi_package.ts when the server is built on the newer pi.

/** The pi package that sessions run on. */
export const PI: { readonly package: string; readonly version: string } = {
  package: "@earendil-works/pi-coding-agent",
  version: "1.6.0",
};

/** Instructions that pi looks for in a session's folder and in every folder above it. */
export const CONTEXT_FILES: readonly string[] = [
  "AGENTS.override.md",
  "AGENTS.md",
  "AGENTS.MD",
  "CLAUDE.md",
  "CLAUDE.MD",
];

/** Hosts of its models and logins beyond those of every pi. */
export const MORE_HOSTS: readonly string[] = [
  "api.ant-ling.com",
  "api.meta.ai",
  "api.together.ai",
  "auth.kimi.com",
  "auth.meta.com",
  "auth.x.ai",
  "inference.baseten.co",
  "integrate.api.nvidia.com",
  "open.bigmodel.cn",
  "radius.pi.dev",
  "token-plan.ap-southeast-1.maas.aliyuncs.com",
  "token-plan.cn-beijing.maas.aliyuncs.com",
];
