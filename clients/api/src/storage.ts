/** Where the tokens are kept, and who may exchange them. */

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

/** What *storage* holds; null where it is empty or holds something else. */
export async function load(storage: TokenStorage): Promise<Tokens | null> {
  const text = await storage.read();
  if (text === null) return null;
  try {
    const found = JSON.parse(text) as Partial<Record<keyof Tokens, unknown>> | null;
    const { accessToken, refreshToken } = found ?? {};
    if (typeof accessToken !== "string" || typeof refreshToken !== "string") return null;
    return { accessToken, refreshToken };
  } catch {
    return null;
  }
}

/** Let *storage* hold *tokens*. */
export async function save(storage: TokenStorage, tokens: Tokens): Promise<void> {
  await storage.write(JSON.stringify(tokens));
}

/** Runs one piece of work at a time, of whoever shares a storage. */
export type Lock = <T>(work: () => Promise<T>) => Promise<T>;

const queues = new WeakMap<TokenStorage, Promise<unknown>>();

/**
 * The browser's lock, which all its windows share; where there is none, as on a phone, a queue of
 * this process.
 */
export function lockOf(storage: TokenStorage): Lock {
  const manager = (globalThis as { navigator?: Partial<Pick<Navigator, "locks">> }).navigator
    ?.locks;
  if (manager) return async (work) => manager.request("hsp-otp-tokens", work);
  return (work) => {
    const done = (queues.get(storage) ?? Promise.resolve()).then(work, work);
    queues.set(
      storage,
      done.catch(() => null),
    );
    return done;
  };
}
