/** Inflate (RFC 1950 and 1951) for browsers without `DecompressionStream`. */
const LENGTH_BASE = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const DISTANCE_BITS = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A canonical Huffman code: how many codes have each length, and the symbols in order. */
interface Code {
  count: Uint16Array;
  symbol: Uint16Array;
}

function codeOf(lengths: ArrayLike<number>): Code {
  const count = new Uint16Array(16);
  for (let i = 0; i < lengths.length; i++) count[lengths[i]]++;
  count[0] = 0;
  const next = new Uint16Array(16);
  for (let n = 1; n < 15; n++) next[n + 1] = next[n] + count[n];
  const symbol = new Uint16Array(lengths.length);
  for (let i = 0; i < lengths.length; i++) if (lengths[i]) symbol[next[lengths[i]]++] = i;
  return { count, symbol };
}

export function inflate(zlib: Uint8Array): Uint8Array {
  let out = new Uint8Array(Math.max(1024, zlib.length * 4));
  let [size, at, held, bits] = [0, 2, 0, 0];

  const take = (n: number): number => {
    while (bits < n) {
      if (at >= zlib.length) throw new Error('the compressed data ends too early.');
      held |= zlib[at++] << bits;
      bits += 8;
    }
    const value = held & ((1 << n) - 1);
    held >>>= n;
    bits -= n;
    return value;
  };
  const decode = ({ count, symbol }: Code): number => {
    let [code, first, index] = [0, 0, 0];
    for (let length = 1; length < 16; length++) {
      code |= take(1);
      if (code - first < count[length]) return symbol[index + code - first];
      index += count[length];
      first = (first + count[length]) << 1;
      code <<= 1;
    }
    throw new Error('the compressed data is damaged.');
  };
  const put = (byte: number): void => {
    if (size === out.length) {
      const larger = new Uint8Array(out.length * 2);
      larger.set(out);
      out = larger;
    }
    out[size++] = byte;
  };
  const readCodes = (): [Code, Code] => {
    const [literals, distances, lengthCodes] = [take(5) + 257, take(5) + 1, take(4) + 4];
    const short = new Uint8Array(19);
    for (let i = 0; i < lengthCodes; i++) short[CODE_ORDER[i]] = take(3);
    const code = codeOf(short);
    const lengths: number[] = [];
    while (lengths.length < literals + distances) {
      const symbol = decode(code);
      if (symbol < 16) lengths.push(symbol);
      else {
        const value = symbol === 16 ? lengths[lengths.length - 1] : 0;
        const repeat = symbol === 16 ? 3 + take(2) : symbol === 17 ? 3 + take(3) : 11 + take(7);
        for (let i = 0; i < repeat; i++) lengths.push(value);
      }
    }
    return [codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals))];
  };
  const fixedCodes = (): [Code, Code] => [
    codeOf(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
    codeOf(new Array(30).fill(5)),
  ];

  for (let last = 0; !last;) {
    last = take(1);
    const kind = take(2);
    if (kind === 0) {
      [held, bits] = [0, 0];
      const length = zlib[at] | (zlib[at + 1] << 8);
      at += 4;
      for (let i = 0; i < length; i++) put(zlib[at++]);
      continue;
    }
    const [literal, distance] = kind === 1 ? fixedCodes() : readCodes();
    for (let symbol = decode(literal); symbol !== 256; symbol = decode(literal)) {
      if (symbol < 256) put(symbol);
      else {
        const length = LENGTH_BASE[symbol - 257] + take(LENGTH_BITS[symbol - 257]);
        const d = decode(distance);
        const back = DISTANCE_BASE[d] + take(DISTANCE_BITS[d]);
        for (let i = 0; i < length; i++) put(out[size - back]);
      }
    }
  }
  return out.subarray(0, size);
}
