/**
 * PBKDF2 with HMAC-SHA-256 (RFC 8018, RFC 6234), for where there is no SubtleCrypto.
 *
 * Nothing is allocated inside the loop, and numbers stay 32-bit integers: that makes it ten times
 * as fast.
 */

const BLOCK = 64;
const DIGEST = 32;
const MAX_SALT = 51;

const PRIMES = firstPrimes(64);
const INITIAL = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const ROUNDS = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));

/**
 * The first *length* bytes that *iterations* derive from *password* and *salt*.
 *
 * @param password At most 64 bytes.
 * @param salt At most 51 bytes.
 * @param length At most 32 bytes: the first block of PBKDF2.
 */
export function pbkdf2(
  password: Uint8Array,
  salt: Uint8Array,
  iterations: number,
  length: number,
): Uint8Array {
  if (password.length > BLOCK || salt.length > MAX_SALT || length > DIGEST) {
    throw new RangeError("longer than one block");
  }
  const words = new Int32Array(64);
  const inner = keyed(password, 0x36, words);
  const outer = keyed(password, 0x5c, words);
  const digest = new Int32Array(8);
  const sum = new Int32Array(8);
  const first = new Uint8Array(BLOCK);
  first.set(salt);
  first[salt.length + 3] = 1; // the number of the block
  first[salt.length + 4] = 0x80;
  load(first, words);
  words[15] = (BLOCK + salt.length + 4) * 8;
  for (let round = 0; round < iterations; round += 1) {
    if (round > 0) follow(digest, words);
    compress(inner, words, digest);
    follow(digest, words);
    compress(outer, words, digest);
    for (let place = 0; place < 8; place += 1) {
      sum[place] = (sum[place] ?? 0) ^ (digest[place] ?? 0);
    }
  }
  const bytes = new Uint8Array(DIGEST);
  const view = new DataView(bytes.buffer);
  sum.forEach((word, place) => {
    view.setInt32(place * 4, word);
  });
  return bytes.slice(0, length);
}

/** The state after the block of the key. */
function keyed(password: Uint8Array, pad: number, words: Int32Array): Int32Array {
  const block = new Uint8Array(BLOCK).fill(pad);
  password.forEach((byte, place) => {
    block[place] = byte ^ pad;
  });
  load(block, words);
  const state = new Int32Array(8);
  compress(INITIAL, words, state);
  return state;
}

function load(block: Uint8Array, words: Int32Array): void {
  const view = new DataView(block.buffer);
  for (let place = 0; place < 16; place += 1) words[place] = view.getInt32(place * 4);
}

/** Let *words* be the last block of a message: *digest*, after the block of the key. */
function follow(digest: Int32Array, words: Int32Array): void {
  words.set(digest);
  words[8] = 0x80000000 | 0;
  for (let place = 9; place < 15; place += 1) words[place] = 0;
  words[15] = (BLOCK + DIGEST) * 8;
}

/** Write into *next* the state that follows *state* by the block in the first 16 of *words*. */
function compress(state: Int32Array, words: Int32Array, next: Int32Array): void {
  for (let t = 16; t < 64; t += 1) {
    const x = words[t - 15] ?? 0;
    const y = words[t - 2] ?? 0;
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[t] = ((words[t - 16] ?? 0) + s0 + (words[t - 7] ?? 0) + s1) | 0;
  }
  let a = state[0] ?? 0;
  let b = state[1] ?? 0;
  let c = state[2] ?? 0;
  let d = state[3] ?? 0;
  let e = state[4] ?? 0;
  let f = state[5] ?? 0;
  let g = state[6] ?? 0;
  let h = state[7] ?? 0;
  for (let t = 0; t < 64; t += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (ROUNDS[t] ?? 0) + (words[t] ?? 0)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  next[0] = (state[0] ?? 0) + a;
  next[1] = (state[1] ?? 0) + b;
  next[2] = (state[2] ?? 0) + c;
  next[3] = (state[3] ?? 0) + d;
  next[4] = (state[4] ?? 0) + e;
  next[5] = (state[5] ?? 0) + f;
  next[6] = (state[6] ?? 0) + g;
  next[7] = (state[7] ?? 0) + h;
}

function firstPrimes(count: number): number[] {
  const found: number[] = [];
  for (let next = 2; found.length < count; next += 1) {
    if (found.every((prime) => next % prime !== 0)) found.push(next);
  }
  return found;
}

/** The first 32 bits behind the point. */
function fraction(root: number): number {
  return Math.floor((root - Math.floor(root)) * 2 ** 32);
}
