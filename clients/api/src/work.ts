/** Proof of work: what the service may want computed before it texts a code. */

import { isRecord } from "./json";
import { pbkdf2 } from "./pbkdf2";

/** Work that the service asks for: an ALTCHA challenge, version 2. */
export interface Work {
  readonly parameters: WorkParameters;
  readonly signature: string;
  /** How long a phone takes, on average; from the answer. */
  readonly seconds?: number;
}

export interface WorkParameters {
  readonly algorithm: string;
  /** Iterations for each counter. */
  readonly cost: number;
  readonly data: { readonly level: number };
  readonly expiresAt: number;
  readonly keyLength: number;
  readonly keyPrefix: string;
  readonly keySignature: string;
  readonly nonce: string;
  readonly salt: string;
}

export interface WorkProgress {
  /** Counters tried. */
  readonly done: number;
  /** Those that it takes on average; half as many again at most. */
  readonly expected: number;
}

/** As much of SubtleCrypto as the work needs. */
export interface Subtle {
  importKey(
    format: "raw",
    key: Uint8Array<ArrayBuffer>,
    algorithm: "PBKDF2",
    extractable: boolean,
    uses: "deriveBits"[],
  ): Promise<unknown>;
  deriveBits(algorithm: How, key: never, bits: number): Promise<ArrayBuffer>;
}

interface How {
  readonly name: "PBKDF2";
  readonly hash: "SHA-256";
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly iterations: number;
}

export interface SolveOptions {
  /** Gives up when it is aborted. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: WorkProgress) => void;
  /** Computes instead of the platform's own SubtleCrypto, which React Native does not have. */
  readonly subtle?: Subtle;
}

/** The work cannot be done here: it is of an unknown kind, or too much without SubtleCrypto. */
export class CannotSolveError extends Error {
  override readonly name = "CannotSolveError";
}

/** Somebody aborted it. */
export class SolveAbortedError extends Error {
  override readonly name = "AbortError";
}

type Derive = (counters: readonly number[]) => Promise<string[]>;

const ALGORITHM = "PBKDF2/SHA-256";
/** How many counters a second stands for (adapters/proof_of_work.py). */
const COUNTERS_PER_SECOND = 1000;
/** The highest level that is done without SubtleCrypto. */
const MAX_PLAIN_LEVEL = 2;
/** How long it may take on average: an interpreter, as on a phone, takes far longer. */
const MAX_PLAIN_MS = 120_000;
/** Counters after which that is judged. */
const PLAIN_SAMPLE = 4;
/** How long plain code computes before others have their turn: less than a frame. */
const TURN_MS = 12;
/** Several are in flight at once, so that none waits for a round trip. */
const BATCH = 8;
const PROGRESS_MS = 100;
const TOO_MUCH = "too much work without SubtleCrypto";

/**
 * Do *work*, and return what the next request presents.
 *
 * SubtleCrypto computes beside the caller. Without it, plain JavaScript computes a counter at a
 * time, and lets others have their turn after each few milliseconds.
 *
 * @throws {CannotSolveError} It cannot be done here.
 * @throws {SolveAbortedError} The signal was aborted.
 */
export async function solve(work: Work, options: SolveOptions = {}): Promise<string> {
  const { parameters, signature, seconds } = work;
  const { level } = parameters.data;
  if (parameters.algorithm !== ALGORITHM) throw new CannotSolveError("another kind of work");
  const subtle = options.subtle ?? subtleCrypto();
  if (subtle === null && level > MAX_PLAIN_LEVEL) {
    throw new CannotSolveError(TOO_MUCH);
  }
  const [derive, batch] =
    subtle === null ? [inPlainCode(parameters), 1] : [bySubtle(subtle, parameters), BATCH];
  const expected = (seconds ?? 2 ** (level - 1)) * COUNTERS_PER_SECOND;
  const begun = Date.now();
  let told = begun;
  for (let first = 0; ; first += batch) {
    if (options.signal?.aborted === true) throw new SolveAbortedError("aborted");
    const keys = await derive(Array.from({ length: batch }, (_, place) => first + place));
    const place = keys.findIndex((key) => key.startsWith(parameters.keyPrefix));
    const now = Date.now();
    if (place >= 0) {
      const solution = {
        counter: first + place,
        derivedKey: keys[place],
        time: Math.max(0, now - begun),
      };
      return btoa(JSON.stringify({ challenge: { parameters, signature }, solution }));
    }
    const done = first + batch;
    if (subtle === null && done === PLAIN_SAMPLE) {
      const wouldTake = ((now - begun) / done) * expected;
      if (wouldTake > MAX_PLAIN_MS) throw new CannotSolveError(TOO_MUCH);
    }
    if (now - told >= PROGRESS_MS) {
      told = now;
      options.onProgress?.({ done, expected });
    }
  }
}

/** What an answer says of work; null where its form is unknown. */
export function workOf(told: unknown, seconds: number): Work | null {
  if (!isRecord(told) || typeof told["signature"] !== "string") return null;
  const { parameters } = told;
  if (!isRecord(parameters) || !isRecord(parameters["data"])) return null;
  const texts = ["algorithm", "keyPrefix", "keySignature", "nonce", "salt"];
  const numbers = ["cost", "expiresAt", "keyLength"];
  const isWhole =
    texts.every((name) => typeof parameters[name] === "string") &&
    [...numbers.map((name) => parameters[name]), parameters["data"]["level"]].every(
      (value) => typeof value === "number",
    );
  return isWhole ? ({ ...told, seconds } as unknown as Work) : null;
}

/** React Native has none, unless an app installs one. */
function subtleCrypto(): Subtle | null {
  const found = globalThis as { readonly crypto?: { readonly subtle?: Subtle } };
  return found.crypto?.subtle ?? null;
}

function bySubtle(subtle: Subtle, parameters: WorkParameters): Derive {
  const { cost, keyLength } = parameters;
  const [nonce, salt] = [bytesOf(parameters.nonce), bytesOf(parameters.salt)];
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: cost } as const;
  async function derive(counter: number): Promise<string> {
    const password = passwordOf(nonce, counter);
    const key = await subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    return hexOf(new Uint8Array(await subtle.deriveBits(how, key as never, keyLength * 8)));
  }
  return async (counters) => {
    try {
      return await Promise.all(counters.map(derive));
    } catch (cause) {
      throw new CannotSolveError("SubtleCrypto failed", { cause });
    }
  };
}

function inPlainCode(parameters: WorkParameters): Derive {
  const { cost, keyLength } = parameters;
  const [nonce, salt] = [bytesOf(parameters.nonce), bytesOf(parameters.salt)];
  let rested = 0;
  return async (counters) => {
    if (Date.now() - rested >= TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      rested = Date.now();
    }
    return counters.map((counter) =>
      hexOf(pbkdf2(passwordOf(nonce, counter), salt, cost, keyLength)),
    );
  };
}

/** The nonce, and the counter as four bytes. */
function passwordOf(nonce: Uint8Array, counter: number): Uint8Array<ArrayBuffer> {
  const password = new Uint8Array(nonce.length + 4);
  password.set(nonce);
  new DataView(password.buffer).setUint32(nonce.length, counter);
  return password;
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
