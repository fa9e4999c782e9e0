// What this page's token allows. The protocol has no question for it, so the console asks for a list that only the
// role `admin` may read, and takes the role from the refusal. Pages hide what the token does not allow.
import { type Client, RequestError } from "../../client/browser.ts";

/** Roles from the least to the most. */
export const ROLES = ["observe", "answer", "drive", "admin"] as const;

/** What a token is for. */
export type Role = typeof ROLES[number];

/** What this page may do. */
export interface Access {
  readonly role: Role;
  /** Whether it is for all sessions. */
  readonly whole: boolean;
}

/** Until the server has answered: nothing may be changed. */
export const NO_ACCESS: Access = { role: "observe", whole: false };

/** Whether the token's role covers that one. */
export function may(access: Access, role: Role): boolean {
  return ROLES.indexOf(access.role) >= ROLES.indexOf(role);
}

/** The role that the server's refusal names. */
export function roleInRefusal(sentence: string): Role | undefined {
  const named = /this token has (\w+)/.exec(sentence)?.[1];
  return ROLES.find((role) => role === named);
}

async function refused(ask: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await ask();
    return undefined;
  } catch (error) {
    if (error instanceof RequestError && error.code === "forbidden") return error.message;
    throw error;
  }
}

/** Asks the server what the token allows. */
export async function askAccess(client: Client): Promise<Access> {
  // Both are answered without a worker, which may be loading pi at this moment.
  const [tokens, metrics] = await Promise.all([
    refused(() => client.request("list_tokens", {})),
    refused(() => client.request("get_metrics", {})),
  ]);
  // Without a named role the refusal was about the sessions, which comes after the role.
  const role = tokens === undefined ? "admin" : roleInRefusal(tokens) ?? "admin";
  return { role, whole: metrics === undefined };
}
