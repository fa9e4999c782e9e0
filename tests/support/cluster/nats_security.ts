// What a nats-server needs to admit no stranger: a certificate, a user with a password in an account of its own, and
// the signed credentials (`.creds`) of NATS, made here because its own tool for them is not everywhere.

import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { makeCertificate } from "../network/nginx.ts";
import type { NatsOptions } from "./nats_server.ts";

/** A server whose clients need that user and password. The user's account alone has JetStream. */
export function withUser(user: string, password: string): NatsOptions {
  return {
    config:
      `accounts { pi: { jetstream: enabled, users: [ { user: ${user}, password: "${password}" } ] } }\n`,
  };
}

/** A server with TLS, and the file with the certificate that clients trust. */
export async function withTls(
  folder: string,
  more: NatsOptions = {},
): Promise<{ options: NatsOptions; ca: string }> {
  await makeCertificate(folder);
  const tls = `tls { cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem" }\n`;
  return { options: { ...more, config: `${tls}${more.config ?? ""}` }, ca: `${folder}/cert.pem` };
}

/** A server that admits signed credentials, and the text of such a file. */
export function withCreds(): { options: NatsOptions; creds: string; foreign: string } {
  const [operator, system, account, user] = [new Key("O"), new Key("A"), new Key("A"), new Key("U")];
  const everything = { subs: -1, data: -1, payload: -1 };
  const plain = { ...everything, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const limits = { ...plain, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const operatorToken = operator.signed(operator, "operator", {});
  const accountToken = operator.signed(account, "account", { limits });
  const credsOf = (issuer: Key, holder: Key): string => {
    const token = issuer.signed(holder, "user", { ...everything, issuer_account: undefined });
    return `-----BEGIN NATS USER JWT-----\n${token}\n------END NATS USER JWT------\n\n` +
      `-----BEGIN USER NKEY SEED-----\n${holder.seed}\n------END USER NKEY SEED------\n`;
  };
  // JetStream wants an account for the server itself, which has no JetStream.
  const systemToken = operator.signed(system, "account", { limits: plain });
  const config = `operator: ${operatorToken}\nsystem_account: ${system.name}\nresolver: MEMORY\n` +
    `resolver_preload: { ${account.name}: ${accountToken}, ${system.name}: ${systemToken} }\n`;
  return { options: { config }, creds: credsOf(account, user), foreign: credsOf(new Key("A"), new Key("U")) };
}

/** The first byte of each kind of key: its top five bits are the first letter of the name. */
const KINDS = { O: 14 << 3, A: 0, U: 20 << 3 } as const;
const SEED = 18 << 3;

/** A key of NATS: Ed25519, with names in base 32 that end with a checksum. */
class Key {
  readonly name: string;
  readonly seed: string;
  readonly #private: KeyObject;

  constructor(kind: keyof typeof KINDS) {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.#private = privateKey;
    const part = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(String(value), "base64url"));
    const prefix = KINDS[kind];
    this.name = named(Uint8Array.of(prefix, ...part(publicKey.export({ format: "jwk" }).x)));
    const head = [SEED | prefix >> 5, (prefix & 31) << 3];
    this.seed = named(Uint8Array.of(...head, ...part(privateKey.export({ format: "jwk" }).d)));
  }

  /** A token about another key. */
  signed(about: Key, type: string, nats: Record<string, unknown>): string {
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const now = Math.floor(Date.now() / 1000);
    const claims = { jti: about.name, iat: now, iss: this.name, name: type, sub: about.name };
    const text = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${
      encode({ ...claims, nats: { ...nats, type, version: 2 } })
    }`;
    return `${text}.${sign(null, Buffer.from(text), this.#private).toString("base64url")}`;
  }
}

function named(bytes: Uint8Array): string {
  const sum = checksum(bytes);
  return base32(Uint8Array.of(...bytes, sum & 0xff, sum >> 8));
}

/** CRC-16 as XMODEM has it. */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000) === 0 ? sum << 1 : (sum << 1) ^ 0x1021;
    sum &= 0xffff;
  }
  return sum;
}

function base32(bytes: Uint8Array): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let [text, bits, value] = ["", 0, 0];
  for (const byte of bytes) {
    value = value << 8 | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += letters[value >> bits & 31];
      value &= (1 << bits) - 1;
    }
  }
  return bits === 0 ? text : text + letters[value << 5 - bits & 31];
}
