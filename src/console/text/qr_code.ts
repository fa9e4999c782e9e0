// Makes QR codes of texts: byte mode, error correction M, the smallest version that fits, the mask with the least
// penalty (ISO/IEC 18004). Pure.

/** Codewords of error correction in each block of level M, by version; 28 in the versions behind. */
const CHECKS = "10 16 26 18 24 16 18 22 22 26 30 22 22 24 24 28 28 26 26 26 26".split(" ").map(Number);
/** Blocks of level M, by version. */
const BLOCKS =
  "1 1 1 2 2 4 4 4 5 5 5 8 9 9 10 10 11 13 14 16 17 17 18 20 21 23 25 26 28 29 31 33 35 37 38 40 43 45 47 49"
    .split(" ").map(Number);

/** Modules for data and error correction in a code of that version. */
function rawModules(version: number): number {
  let modules = (16 * version + 128) * version + 64;
  if (version >= 2) {
    const marks = Math.floor(version / 7) + 2;
    modules -= (25 * marks - 10) * marks - 55;
    if (version >= 7) modules -= 36;
  }
  return modules;
}

const at = (list: ArrayLike<number>, index: number): number => list[index] ?? 0;

/** Product in the field of 256 elements. */
function times(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((b >> bit) & 1) * a;
  }
  return product;
}

/** Remainders of Reed and Solomon of a block. */
function remainder(block: readonly number[], degree: number): number[] {
  const divisor = new Array<number>(degree).fill(0);
  divisor[degree - 1] = 1;
  for (let root = 1, i = 0; i < degree; i++, root = times(root, 2)) {
    for (let j = 0; j < degree; j++) divisor[j] = times(at(divisor, j), root) ^ at(divisor, j + 1);
  }
  const result = new Array<number>(degree).fill(0);
  for (const byte of block) {
    const factor = byte ^ (result.shift() ?? 0);
    result.push(0);
    divisor.forEach((coefficient, i) => result[i] = at(result, i) ^ times(coefficient, factor));
  }
  return result;
}

/** All codewords in the order in which they are drawn, and the version that they need. */
function codewords(bytes: Uint8Array): { readonly version: number; readonly words: readonly number[] } {
  for (let version = 1; version <= 40; version++) {
    const [checks, blocks] = [CHECKS[version - 1] ?? 28, at(BLOCKS, version - 1)];
    const total = rawModules(version) >> 3;
    const room = total - checks * blocks;
    const lengthBits = version < 10 ? 8 : 16;
    if (4 + lengthBits + bytes.length * 8 > room * 8) continue;
    const bits = [0, 1, 0, 0];
    const push = (value: number, count: number): void => {
      for (let bit = count - 1; bit >= 0; bit--) bits.push((value >> bit) & 1);
    };
    push(bytes.length, lengthBits);
    for (const byte of bytes) push(byte, 8);
    push(0, Math.min(4, room * 8 - bits.length));
    push(0, (8 - bits.length % 8) % 8);
    const data: number[] = [];
    for (let i = 0; i < bits.length; i += 8) {
      data.push(bits.slice(i, i + 8).reduce((sum, bit) => sum * 2 + bit, 0));
    }
    for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);
    return { version, words: interleave(data, blocks, checks, total) };
  }
  throw new Error("The text is too long for a QR code");
}

function interleave(data: readonly number[], blocks: number, checks: number, total: number): number[] {
  const short = blocks - total % blocks;
  const length = Math.floor(total / blocks) - checks;
  const parts: number[][] = [];
  for (let i = 0, start = 0; i < blocks; i++) {
    const end = start + length + (i < short ? 0 : 1);
    parts.push(data.slice(start, end));
    start = end;
  }
  const words: number[] = [];
  for (let i = 0; i <= length; i++) for (const part of parts) if (i < part.length) words.push(at(part, i));
  const ends = parts.map((part) => remainder(part, checks));
  for (let i = 0; i < checks; i++) for (const end of ends) words.push(at(end, i));
  return words;
}

const MASKS: readonly ((x: number, y: number) => number)[] = [
  (x, y) => (x + y) % 2,
  (_, y) => y % 2,
  (x) => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => x * y % 2 + x * y % 3,
  (x, y) => (x * y % 2 + x * y % 3) % 2,
  (x, y) => ((x + y) % 2 + x * y % 3) % 2,
];

/** The modules of a code while it is drawn: dark or light, and whether they are patterns of the code's own. */
class Grid {
  readonly version: number;
  readonly size: number;
  readonly dark: Uint8Array;
  readonly fixed: Uint8Array;

  constructor(version: number, other?: Grid) {
    this.version = version;
    this.size = version * 4 + 17;
    this.dark = other === undefined ? new Uint8Array(this.size ** 2) : other.dark.slice();
    this.fixed = other === undefined ? new Uint8Array(this.size ** 2) : other.fixed;
  }

  set(x: number, y: number, dark: boolean | number): void {
    if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
    this.dark[y * this.size + x] = Number(dark);
    this.fixed[y * this.size + x] = 1;
  }

  /** Everything but data and format. */
  patterns(): void {
    const { size, version } = this;
    for (let i = 0; i < size; i++) {
      this.set(6, i, i % 2 === 0);
      this.set(i, 6, i % 2 === 0);
    }
    for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]] as const) {
      for (let dy = -4; dy <= 4; dy++) {
        for (let dx = -4; dx <= 4; dx++) {
          const ring = Math.max(Math.abs(dx), Math.abs(dy));
          this.set(x + dx, y + dy, ring !== 2 && ring !== 4);
        }
      }
    }
    const marks = markPositions(version, size);
    for (const x of marks) {
      for (const y of marks) {
        if ((x === 6 && y === 6) || (x === 6 && y === size - 7) || (x === size - 7 && y === 6)) continue;
        for (let dy = -2; dy <= 2; dy++) {
          for (let dx = -2; dx <= 2; dx++) {
            this.set(x + dx, y + dy, Math.max(Math.abs(dx), Math.abs(dy)) !== 1);
          }
        }
      }
    }
    this.format(0);
    if (version < 7) return;
    let rest = version;
    for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >> 11) * 0x1f25);
    const bits = (version << 12) | rest;
    for (let i = 0; i < 18; i++) {
      const [a, b] = [size - 11 + i % 3, Math.floor(i / 3)];
      this.set(a, b, (bits >> i) & 1);
      this.set(b, a, (bits >> i) & 1);
    }
  }

  /** Which mask is used, twice. Level M has the number 0. */
  format(mask: number): void {
    let rest = mask;
    for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >> 9) * 0x537);
    const bits = ((mask << 10) | rest) ^ 0x5412;
    const { size } = this;
    for (let i = 0; i < 15; i++) {
      const bit = (bits >> i) & 1;
      if (i < 6) this.set(8, i, bit);
      else if (i < 8) this.set(8, i + 1, bit);
      else if (i === 8) this.set(7, 8, bit);
      else this.set(14 - i, 8, bit);
      if (i < 8) this.set(size - 1 - i, 8, bit);
      else this.set(8, size - 15 + i, bit);
    }
    this.set(8, size - 8, 1);
  }

  /** Draws the codewords in columns of two, upwards and downwards in turn. */
  data(words: readonly number[]): void {
    const { size } = this;
    let i = 0;
    for (let right = size - 1; right >= 1; right -= 2) {
      if (right === 6) right = 5;
      for (let step = 0; step < size; step++) {
        for (const x of [right, right - 1]) {
          const y = ((right + 1) & 2) === 0 ? size - 1 - step : step;
          if (this.fixed[y * size + x] === 1 || i >= words.length * 8) continue;
          this.dark[y * size + x] = (at(words, i >> 3) >> (7 - (i & 7))) & 1;
          i++;
        }
      }
    }
  }

  mask(mask: number): void {
    const { size } = this;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        if (this.fixed[y * size + x] === 0 && MASKS[mask]?.(x, y) === 0) {
          this.dark[y * size + x] = at(this.dark, y * size + x) ^ 1;
        }
      }
    }
  }

  /** How hard the code is to read. */
  penalty(): number {
    const { size, dark } = this;
    let sum = 0;
    for (let i = 0; i < size; i++) {
      sum += linePenalty(dark.subarray(i * size, (i + 1) * size));
      sum += linePenalty(Uint8Array.from({ length: size }, (_, j) => at(dark, j * size + i)));
    }
    for (let y = 0; y + 1 < size; y++) {
      for (let x = 0; x + 1 < size; x++) {
        const square = at(dark, y * size + x) + at(dark, y * size + x + 1) +
          at(dark, (y + 1) * size + x) + at(dark, (y + 1) * size + x + 1);
        if (square % 4 === 0) sum += 3;
      }
    }
    const share = dark.reduce((total, one) => total + one, 0) * 20 / size ** 2;
    return sum + Math.floor(Math.abs(share - 10)) * 10;
  }
}

/** Long runs of one colour, and what looks like the mark of a corner. */
function linePenalty(line: Uint8Array): number {
  const text = line.join("");
  let sum = 0;
  for (const [run] of text.matchAll(/0{5,}|1{5,}/g)) sum += run.length - 2;
  for (const mark of ["10111010000", "00001011101"]) {
    for (let from = text.indexOf(mark); from >= 0; from = text.indexOf(mark, from + 1)) sum += 40;
  }
  return sum;
}

/** Where the small marks are, on both axes. */
function markPositions(version: number, size: number): readonly number[] {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  const positions = [6];
  for (let i = 0; i < count - 1; i++) positions.splice(1, 0, size - 7 - i * step);
  return positions;
}

/** A finished code: rows of dark and light modules, without the quiet zone around it. */
export function qrCode(text: string): readonly (readonly boolean[])[] {
  const { version, words } = codewords(new TextEncoder().encode(text));
  const plain = new Grid(version);
  plain.patterns();
  plain.data(words);
  let best: Grid | undefined;
  let least = Infinity;
  for (let mask = 0; mask < MASKS.length; mask++) {
    const grid = new Grid(version, plain);
    grid.mask(mask);
    grid.format(mask);
    const penalty = grid.penalty();
    if (penalty < least) [best, least] = [grid, penalty];
  }
  const { dark, size } = best ?? plain;
  return Array.from(
    { length: size },
    (_, y) => Array.from(dark.subarray(y * size, (y + 1) * size), (one) => one === 1),
  );
}
