// Does: describes the other nodes of a cluster as the router needs them. Types only.
// Used by: the router and its commands; the cluster implements it. A server that stands alone has none.
import type { Reply } from "../../ipc/messages.ts";
import type { Failure } from "../../protocol/errors.ts";
import type { Command, CommandSpec } from "../../protocol/schema/commands.ts";
import type { NodeInfo } from "../../protocol/schema/monitoring_commands.ts";
import type { Access } from "../auth/access.ts";
import type { ReplyTo } from "../journal/reply_to.ts";
import type { Connection } from "../router/connection.ts";

/** A command that a client of this node has sent, and that its token allows. */
export interface Asked {
  readonly connection: Connection;
  readonly command: Command;
  readonly spec: CommandSpec;
  /** The client's own text. */
  readonly text: string;
}

/** Has this node carry out its own part of a command, or of the command in its place. */
export type Here = (asker: ReplyTo, command?: Command) => void;

/** Reads from a session of another node for one HTTP request. */
export interface RemoteReader {
  /** The answer of the session's node to a command that reads. */
  read(command: Command): Promise<
    { readonly ok: true; readonly data: Record<string, unknown> } | {
      readonly ok: false;
      readonly failure: Failure;
    }
  >;
  /** The request is over. */
  close(): void;
}

/** What the clients of a node that ends still wait for from the other nodes. */
export interface LastAnswers {
  /** Resolves when nothing waits. */
  whenAnswered(): Promise<void>;
  /** Answers in place of the other nodes what still waits. */
  farewell(): void;
}

/** The other nodes. */
export interface Remote {
  /** Takes a command that another node has to answer. False: this node answers it. `here` lets this node answer later. */
  take(asked: Asked, here: () => void): boolean;
  /** Asks the other nodes too, and joins the answers. False: this node's answer is all. */
  spread(connection: Connection, command: Command, asker: ReplyTo, here: Here): boolean;
  /** Reads from a session that lives on another node, with the rights of a token. Undefined: this node answers. */
  reader(access: Access, sessionId: string): Promise<RemoteReader | undefined>;
  /** A client of this node is gone. */
  closed(connection: Connection): void;
  /** A server event of this node. The clients of the other nodes get it too. */
  announced(type: string, data: Record<string, unknown>): void;
  /** All nodes, this one first. */
  nodes(): readonly NodeInfo[];
  /** Has a node end its work and leave. */
  drain(node: string): Promise<Reply>;
  /** A sentence for each thing in the cluster that is not well. */
  issues(): readonly string[];
}
