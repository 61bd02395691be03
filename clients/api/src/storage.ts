/** Where tokens are kept, and who may change them. */

import { isRecord } from "./json";

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
}

/**
 * Keeps one secret text between starts of an app: a phone's keychain, or memory in a test.
 *
 * No method rejects: what cannot be read is null, and what cannot be written is lost, so that the
 * customer signs in again.
 */
export interface TokenStorage {
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
  remove(): Promise<void>;
}

/** Forgets with the process. */
export function memoryStorage(): TokenStorage {
  let held: string | null = null;
  return {
    read: () => Promise.resolve(held),
    write: (text) => {
      held = text;
      return Promise.resolve();
    },
    remove: () => {
      held = null;
      return Promise.resolve();
    },
  };
}

/** Makes a device a known one for the holder of a pass; proves nothing else. */
export interface DeviceToken {
  readonly passCode: string;
  readonly token: string;
}

/** What a storage holds: the tokens of who is signed in, and what makes this device a known one. */
export interface Kept {
  readonly tokens: Tokens | null;
  /** One for each pass code, the latest first. */
  readonly devices: readonly DeviceToken[];
}

const MOST_DEVICES = 5;

export const NOTHING: Kept = { tokens: null, devices: [] };

/** What *storage* holds; what it cannot read is nothing. */
export async function load(storage: TokenStorage): Promise<Kept> {
  const text = await storage.read();
  if (text === null) return NOTHING;
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return NOTHING;
  }
  if (!isRecord(found)) return NOTHING;
  const { accessToken, refreshToken, devices } = found;
  const signedIn = typeof accessToken === "string" && typeof refreshToken === "string";
  return {
    tokens: signedIn ? { accessToken, refreshToken } : null,
    devices: (Array.isArray(devices) ? devices : []).filter(isDeviceToken),
  };
}

function isDeviceToken(value: unknown): value is DeviceToken {
  if (!isRecord(value)) return false;
  return typeof value["passCode"] === "string" && typeof value["token"] === "string";
}

/**
 * Let *storage* hold what *becomes* makes of what it holds, and return what it held before.
 *
 * One update at a time: none overwrites what another has written meanwhile.
 */
export function update(storage: TokenStorage, becomes: (kept: Kept) => Kept): Promise<Kept> {
  const lock = lockOf(storage, "hsp-otp-storage");
  return lock(async () => {
    const kept = await load(storage);
    const next = becomes(kept);
    const { tokens, devices } = next;
    if (next === kept) return kept;
    if (tokens === null && devices.length === 0) await storage.remove();
    else await storage.write(JSON.stringify({ ...tokens, devices }));
    return kept;
  });
}

/**
 * *devices* with *token* in the place of an older one of that pass, and the oldest left out.
 *
 * @param token - Of an answer; an older service tells none.
 */
export function withDevice(
  devices: readonly DeviceToken[],
  passCode: string,
  token: unknown,
): readonly DeviceToken[] {
  if (typeof token !== "string") return devices;
  const others = devices.filter((one) => !isSamePass(one.passCode, passCode));
  return [{ passCode, token }, ...others].slice(0, MOST_DEVICES);
}

/** The token that this device has for the holder of a pass, however its code was typed. */
export function deviceTokenOf({ devices }: Kept, passCode: string): string | null {
  return devices.find((one) => isSamePass(one.passCode, passCode))?.token ?? null;
}

function isSamePass(one: string, other: string): boolean {
  return plainPassCode(one) === plainPassCode(other);
}

/** A pass code without what the service ignores in it: case, spaces and the kind of dash. */
export function plainPassCode(typed: string): string {
  return typed.toUpperCase().replace(/[^0-9A-Z]/g, "");
}

/** Runs one piece of work at a time, of whoever shares a storage. */
export type Lock = <T>(work: () => Promise<T>) => Promise<T>;

type LockName = "hsp-otp-tokens" | "hsp-otp-storage";

const queues: Readonly<Record<LockName, WeakMap<TokenStorage, Promise<unknown>>>> = {
  "hsp-otp-tokens": new WeakMap(),
  "hsp-otp-storage": new WeakMap(),
};

/**
 * The browser's lock of that *name*, which all its windows share; where there is none, as on a
 * phone, a queue of this process.
 *
 * An exchange of tokens holds the first for as long as its request takes, an update of the storage
 * the second for a moment. Who holds the first may take the second.
 */
export function lockOf(storage: TokenStorage, name: LockName = "hsp-otp-tokens"): Lock {
  const manager = (globalThis as { navigator?: Partial<Pick<Navigator, "locks">> }).navigator
    ?.locks;
  if (manager) return async (work) => manager.request(name, work);
  const waiting = queues[name];
  return (work) => {
    const done = (waiting.get(storage) ?? Promise.resolve()).then(work, work);
    waiting.set(
      storage,
      done.catch(() => null),
    );
    return done;
  };
}
