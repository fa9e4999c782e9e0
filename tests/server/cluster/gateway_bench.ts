// A gateway between one client and nodes that the test plays, each over a real virtual connection.
import { type Command, specOf } from "../../../src/protocol/schema/commands.ts";
import type { NodeInfo } from "../../../src/protocol/schema/monitoring_commands.ts";
import { Claims } from "../../../src/server/cluster/claims.ts";
import { Gateway } from "../../../src/server/cluster/gateway/gateway.ts";
import type { Member } from "../../../src/server/cluster/members.ts";
import { Channel } from "../../../src/server/cluster/wire/channel.ts";
import { FakeClock, turn } from "../../support/base/fake_clock.ts";
import { at } from "../../support/base/json.ts";
import { connectionOver, FakePeer } from "../router/fakes.ts";
import { FakeBucket } from "./fake_bus.ts";

const LOG = { debug() {}, info() {}, warn() {}, error() {} };

const infoOf = (node: string, over: Partial<NodeInfo> = {}): NodeInfo => ({
  ...{ node, version: "1", protocolVersion: "1.0", pi: "1", state: "running" as const },
  ...{ sessions: { live: 0, parked: 0, limit: 100 }, memoryBytes: 0, machineBytes: 100, load: 0 },
  ...over,
});

/** The gateway `g` between a client and nodes that keep what they get. */
export class GatewayBench {
  readonly bucket = new FakeBucket();
  readonly peer = new FakePeer();
  readonly connection = connectionOver(this.peer);
  /** Ids of the commands that each node got, `g` for this one. */
  readonly got: Record<string, string[]> = {};
  readonly gateway: Gateway;
  readonly claims: Claims;
  /** Whether NATS is reachable. */
  connected = true;
  /** What a node answers. */
  answers: (node: string, command: { type: string; id: string }) => string | undefined = () => undefined;
  /** What the nodes were remembered for, and their heirs. */
  readonly remembered = new Map<string, string>();
  readonly heirs = new Map<string, string>();
  #members: readonly Member[];
  #gone: readonly Member[] = [];

  constructor(nodes: Readonly<Record<string, Partial<NodeInfo>>>) {
    const { bucket } = this;
    const { g, ...others } = nodes;
    this.#members = Object.entries(others).map(([node, over]) => ({
      ...{ info: infoOf(node, over), instance: node, saidAt: 0, heardAt: 0 },
    }));
    const claims = this.claims = new Claims({
      ...{ log: LOG, self: { node: "g", state: "s-g" }, mayOwn: () => true, moved: () => {} },
      bus: bucket.connect((key, value) => this.claims.changed(key, value)),
      local: { ids: () => [], has: () => false, isCopy: () => false },
    });
    const heirOf = (node: string): string => this.heirs.get(node) ?? node;
    const members = (): readonly Member[] => this.#members;
    const gone = (): readonly Member[] => this.#gone;
    this.gateway = new Gateway({
      ...{ node: "g", ownIds: "own-", log: LOG, claims },
      members: {
        get alive() {
          return members();
        },
        get gone() {
          return gone();
        },
        get: (node) => members().find(({ info }) => info.node === node),
      },
      channels: {
        open: (instance, _opening, events) => {
          const parts = { clock: new FakeClock(), soon: queueMicrotask, frameBytes: 1024 * 1024 };
          const far = new Channel({ ...parts, transmit: (frame) => near.receive(frame) }, {
            onText: (text) => {
              const command = JSON.parse(text);
              this.#arrived(instance, command.id);
              const answer = this.answers(instance, command);
              if (answer !== undefined) far.send(answer);
            },
            onDrain: () => {},
            onEnd: () => {},
          });
          const near: Channel = new Channel({ ...parts, transmit: (frame) => far.receive(frame) }, events);
          far.send('{"type":"server_ready"}');
          return near;
        },
      },
      connected: () => this.connected,
      self: () => {
        const live = this.got["g"]?.length ?? 0;
        return infoOf("g", { ...(g ?? { gateway: true }), sessions: { live, parked: 0, limit: 100 } });
      },
      has: () => false,
      remember: (key, node) => {
        const first = this.remembered.get(key) ?? node;
        this.remembered.set(key, first);
        return turn().then(() => bucket.answers).then(() => heirOf(first));
      },
      recall: async (key) => {
        await bucket.answers;
        const first = this.remembered.get(key);
        return first === undefined ? undefined : heirOf(first);
      },
      sha256: (text) => text,
      endClient: () => {},
    });
  }

  #arrived(node: string, id: string): void {
    this.got[node] = [...this.got[node] ?? [], id];
  }

  create(id: string, fields: Partial<Command> & { node?: string }): void {
    this.send({ type: "create_session", id, ...fields } as Command);
  }

  send(command: Command): void {
    const { id = "" } = command;
    const asked = { connection: this.connection, command, spec: specOf(command.type), text: "" };
    const here = (): void => this.#arrived("g", id);
    if (!this.gateway.take({ ...asked, text: JSON.stringify(command) }, here)) here();
  }

  kill(node: string): void {
    this.#gone = this.#members.filter(({ info }) => info.node === node);
    this.#members = this.#members.filter(({ info }) => info.node !== node);
  }

  /** Codes of the answers that the client has. */
  get codes(): string[] {
    return this.peer.sent.map((text) => JSON.parse(text)).map((one) => `${at(one, "id")}:${at(one, "code")}`);
  }

  async end(): Promise<void> {
    await turn();
    this.gateway.closed(this.connection);
    this.connection.closed();
  }
}
