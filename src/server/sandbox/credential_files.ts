// Files outside pi's own folder that requests to models need: logins that clouds keep, where pi 0.73.1 and the clouds'
// libraries look for them, and the user's own certificates. pi asks for Google's login whenever it lists models, so a
// refusal would break every list.
import type { Files } from "../../runtime/runtime.ts";

/** The files and folders to be read; paths are absolute where the environment's are. */
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
