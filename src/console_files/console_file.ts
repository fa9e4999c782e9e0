// One file of the console, as it stands in the generated module files.ts. Types only.

/** A file that the server sends, compressed. */
export interface ConsoleFile {
  /** Its name in an address, below the page; the page's own is empty. */
  readonly name: string;
  readonly contentType: string;
  /** Sixteen hexadecimal digits of the SHA-256 of its content. */
  readonly hash: string;
  /** The content through gzip, in base64. */
  readonly gzip: string;
}
