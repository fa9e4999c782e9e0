// Does: lists files outside pi's folder that requests to models need: logins of clouds, and the user's certificates.
// Used by: sandbox_mode.ts. pi asks for Google's login with every list of models, so a refusal would break the list.
import type { Files } from "../../runtime/runtime.ts";

/** The files and folders. A path is absolute when the environment's is. */
export function credentialFiles(
  env: (name: string) => string | undefined,
  home: string,
  files: Pick<Files, "join">,
): string[] {
  const aws = files.join(home, ".aws");
  return [
    env("GOOGLE_APPLICATION_CREDENTIALS") ||
    files.join(home, ".config", "gcloud", "application_default_credentials.json"),
    env("AWS_CONFIG_FILE") || files.join(aws, "config"),
    env("AWS_SHARED_CREDENTIALS_FILE") || files.join(aws, "credentials"),
    files.join(aws, "sso", "cache"),
    ...[env("NODE_EXTRA_CA_CERTS") ?? ""].filter((file) => file !== ""),
  ];
}
