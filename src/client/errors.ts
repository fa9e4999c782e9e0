// Does: the errors of a request: a refusal, a lost connection, a refused token.
// Used by: the client and its users.

/** The server answered with an error. `message` is its sentence, `code` is for programs. */
export class RequestError extends Error {
  /** The error's class, for logs. */
  override readonly name = "RequestError";
  /** The protocol's error code, such as `agent_busy`. */
  readonly code: string;
  /** The command that failed. */
  readonly command: string;
  /** Whether sending the same command again can help. */
  readonly retryable: boolean;
  /** Details for programs. */
  readonly data: unknown;

  /** Made of an error response. */
  constructor(
    command: string,
    response: { error?: unknown; code?: unknown; retryable?: unknown; data?: unknown },
  ) {
    super(typeof response.error === "string" ? response.error : `${command} failed`);
    this.code = typeof response.code === "string" ? response.code : "internal";
    this.command = command;
    this.retryable = response.retryable === true;
    this.data = response.data;
  }
}

/** The connection is gone for good, or was lost during a command that must not run twice. */
export class ConnectionLostError extends Error {
  /** The error's class, for logs. */
  override readonly name = "ConnectionLostError";

  /** With the reason, a sentence. */
  constructor(reason: string) {
    super(reason);
  }
}

/** The server does not accept the token: it has expired, was revoked, or belongs to another server. */
export class TokenRefusedError extends Error {
  /** The error's class, for logs. */
  override readonly name = "TokenRefusedError";

  /** With the reason, a sentence. */
  constructor(reason: string) {
    super(reason);
  }
}
