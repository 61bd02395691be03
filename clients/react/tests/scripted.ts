/** A client that answers what a test says, and a clock that stands still until it is told. */

import type {
  Change,
  Channel,
  Client,
  Failure,
  Me,
  Revoked,
  Sent,
  SignedIn,
  User,
  Validated,
  WorkOptions,
  WorkRequired,
} from "@hsp-otp/api";
import { act } from "@testing-library/react-native";

import type { Clock } from "../src";

export const USER: User = {
  id: "83NCwFdVFuCnoKygm8IHbw",
  email: "asha@example.com",
  firstName: "Asha",
  lastName: "Rao",
  phoneNumber: "+919876543210",
};

export const PASS = {
  passCode: "HSP-1234-5678",
  status: "active",
  planName: "Gold",
  expiresAt: "2099-12-31T00:00:00Z",
  daysUntilExpiry: 26702,
  isExpired: false,
} as const;

const FOUND = { error: null, phoneMasked: "***-***-3210" } as const;

export const SENT = {
  error: null,
  phoneMasked: "***-***-3210",
  challengeId: "c1",
  expiresIn: 600,
  resendIn: 30,
} as const;

const WHO = { error: null, user: USER, pass: PASS } as const;

/** A refusal, as `Failure` has it for its word. */
export function refused(error: string, members: object = {}): Failure & { error: never } {
  return { error, message: `told: ${error}`, requestId: "r1", ...members } as never;
}

/** Work that goes on as a test says. */
export class ScriptedWork {
  /** How often it was begun. */
  begun = 0;
  #told: WorkOptions = {};
  #ends: (sent: Sent) => void = () => undefined;

  /** The answer that asks for it; cancelling ends it. */
  required(seconds = 4): WorkRequired {
    const told = {
      error: "work_required",
      message: "told: work_required",
      requestId: "r1",
    } as const;
    return {
      ...told,
      kind: "work",
      seconds,
      work: null,
      solve: (options = {}) => {
        this.begun += 1;
        this.#told = options;
        const { promise, release } = held<Sent>();
        this.#ends = release;
        options.signal?.addEventListener("abort", () => {
          release(refused("work_not_done", { cancelled: true }));
        });
        return promise;
      },
    };
  }

  /** Some counters have been tried, of 1000 that it takes on average. */
  async reaches(done: number): Promise<void> {
    await act(() => {
      this.#told.onProgress?.({ done, expected: 1000 });
      return Promise.resolve();
    });
  }

  async ends(sent: Sent): Promise<void> {
    await act(async () => {
      this.#ends(sent);
      await Promise.resolve();
    });
  }

  get isCancelled(): boolean {
    return this.#told.signal?.aborted === true;
  }
}

export class ManualClock implements Clock {
  #now = 1_767_225_600_000;
  readonly #ticks = new Set<() => void>();

  now(): number {
    return this.#now;
  }

  every(_: number, tick: () => void): () => void {
    this.#ticks.add(tick);
    return () => this.#ticks.delete(tick);
  }

  /** Let *seconds* go by. */
  async advance(seconds: number): Promise<void> {
    await act(() => {
      this.#now += seconds * 1000;
      for (const tick of [...this.#ticks]) tick();
      return Promise.resolve();
    });
  }
}

/** Each answer stays until it is replaced; a promise holds the request up. */
export class Scripted implements Client {
  readonly asked: unknown[][] = [];
  validated: Validated | Promise<Validated> = FOUND;
  sent: Sent | Promise<Sent> = SENT;
  judged: SignedIn | Promise<SignedIn> = WHO;
  who: Me | Promise<Me> = WHO;
  revoked: Revoked | Promise<Revoked> = { error: null };
  signedIn = false;
  /** Why the tokens turn out to have ended. */
  ending: "token_reused" | "invalid_token" | null = null;
  readonly #listeners = new Set<(change: Change) => void>();

  /** How often something was asked. */
  count(name: string): number {
    return this.asked.filter(([asked]) => asked === name).length;
  }

  tell(change: Change): void {
    this.signedIn = change.signedIn;
    for (const listener of [...this.#listeners]) listener(change);
  }

  async validatePass(...told: string[]): Promise<Validated> {
    this.asked.push(["validatePass", ...told]);
    return this.validated;
  }

  async sendOtp(passCode: string, channel: Channel = "sms"): Promise<Sent> {
    this.asked.push(["sendOtp", passCode, ...(channel === "sms" ? [] : [channel])]);
    return this.sent;
  }

  async verifyOtp(...told: (string | undefined)[]): Promise<SignedIn> {
    this.asked.push(["verifyOtp", ...told]);
    const judged = await this.judged;
    if (judged.error === null) this.tell({ signedIn: true });
    return judged;
  }

  async me(): Promise<Me> {
    this.asked.push(["me"]);
    if (this.ending !== null) {
      this.tell({ signedIn: false, because: this.ending });
      return refused(this.ending);
    }
    return this.who;
  }

  async revoke(): Promise<Revoked> {
    this.asked.push(["revoke"]);
    this.tell({ signedIn: false, because: "revoked" });
    return this.revoked;
  }

  forget(): never {
    throw new Error("screens forget nothing");
  }

  refresh(): never {
    throw new Error("screens do not refresh");
  }

  withToken(): never {
    throw new Error("screens ask nobody else");
  }

  isSignedIn(): Promise<boolean> {
    return Promise.resolve(this.signedIn);
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** A promise, and what keeps it. */
export function held<T>(): { readonly promise: Promise<T>; readonly release: (value: T) => void } {
  let release: (value: T) => void = () => undefined;
  const promise = new Promise<T>((resolve) => {
    release = resolve;
  });
  return { promise, release };
}
