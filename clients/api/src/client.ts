/** The service as an app sees it: camel case, refusals as values, one refresh at a time. */

import createWire from "openapi-fetch";

import { type Failure, type Operation, type WordOf, failure, notDone, refusal } from "./errors";
import {
  type Lock,
  type Kept,
  NOTHING,
  type TokenStorage,
  type Tokens,
  deviceTokenOf,
  load,
  lockOf,
  plainPassCode,
  update,
  withDevice,
} from "./storage";
import type { components, paths } from "./wire";
import { CannotSolveError, SolveAbortedError, type SolveOptions, type Subtle, solve } from "./work";

type Body<Name extends keyof components["schemas"]> = components["schemas"][Name];

export interface User {
  readonly id: string;
  readonly email: string;
  readonly firstName: string;
  readonly lastName: string;
  /** In full: its holder has proved it. */
  readonly phoneNumber: string | null;
}

export interface Pass {
  readonly passCode: string;
  readonly status: "active" | "expired";
  readonly planName: string;
  /** ISO 8601 with Z; null where it has no end. */
  readonly expiresAt: string | null;
  /** Full days left, 0 once past; null where it has no end. */
  readonly daysUntilExpiry: number | null;
  readonly isExpired: boolean;
}

/** What came of a request: `error` is null, or says what was refused. */
export type Outcome<Found, O extends Operation> =
  (Found & { readonly error: null }) | Failure<WordOf<O>>;

export type Validated = Outcome<{ readonly phoneMasked: string }, "validatePass">;

interface SentCode {
  readonly error: null;
  readonly phoneMasked: string;
  /** Of this code: only who asked for a code can enter it. */
  readonly challengeId: string;
  /** Seconds that the code lives. */
  readonly expiresIn: number;
  /** Seconds until another may be asked for; null where no wait helps. */
  readonly resendIn: number | null;
}

/**
 * Several codes have been requested, by strangers perhaps, and another is sent once this device has
 * computed for a while. Waiting does not help.
 */
export interface WorkRequired extends WorkRefusal {
  /**
   * Do the work, send again, and return what came of that: it may be another refusal.
   *
   * It never rejects: what is aborted, or too much for this device, is `work_not_done`. Called
   * again after a `network_error`, it sends what it has computed before.
   */
  solve(options?: WorkOptions): Promise<Sent>;
}

export type WorkOptions = Pick<SolveOptions, "signal" | "onProgress">;

type WorkRefusal = Failure<"work_required">;

/** How a code goes to a phone: by a text message or by a call. */
export type Channel = "sms" | "voice";

export type Sent =
  SentCode | Failure<Exclude<WordOf<"sendOtp">, "work_required"> | "work_not_done"> | WorkRequired;

export type SignedIn = Outcome<{ readonly user: User; readonly pass: Pass }, "verifyOtp">;

export type Refreshed = Outcome<unknown, "refreshTokens">;

export type Revoked = Outcome<unknown, "revokeTokens">;

export type Me = Outcome<{ readonly user: User; readonly pass: Pass }, "me" | "refreshTokens">;

export type Answered<A> = Outcome<{ readonly answer: A }, "me" | "refreshTokens">;

/** Somebody signed in, or out: by themselves, or because the service ended it. */
export type Change =
  | { readonly signedIn: true }
  | { readonly signedIn: false; readonly because: "revoked" | "invalid_token" | "token_reused" };

export interface ClientOptions {
  /** Where the service is: `https://otp.example.com`. */
  readonly baseUrl: string;
  readonly storage: TokenStorage;
  /** The language of messages, asked at every request: a tag, or a list as in Accept-Language. */
  readonly language?: () => string;
  /** Milliseconds that a request may take; the service itself may take ten seconds for a message. */
  readonly timeoutMs?: number;
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Whose turn it is to refresh; needed only where several processes share a storage. */
  readonly lock?: Lock;
  /**
   * What does the work that a code may cost, where the platform has no SubtleCrypto: `subtle` of
   * react-native-quick-crypto. Without it, a phone does the two lightest levels alone.
   */
  readonly subtle?: Subtle;
}

export interface Client {
  /** Look a pass up, and learn where its code would go. */
  validatePass(passCode: string): Promise<Validated>;
  /**
   * Send a code to the holder of a pass; where it is `work_required`, go on by its `solve`.
   *
   * @param channel - `voice` for a call, which a service without a sender of calls refuses as
   *   `channel_not_available`.
   */
  sendOtp(passCode: string, channel?: Channel): Promise<Sent>;
  /**
   * Present a code; the right one signs in, its tokens are kept, and this device is known.
   *
   * @param challengeId - Of the code; without it, that of the latest code sent for this pass.
   */
  verifyOtp(passCode: string, otp: string, challengeId?: string): Promise<SignedIn>;
  /** Who is signed in; refreshes where the access token has expired. */
  me(): Promise<Me>;
  /** Exchange the tokens now. */
  refresh(): Promise<Refreshed>;
  /**
   * Sign out here, whatever comes of the request, and at the service.
   *
   * This device stays known, so that its next codes do not depend on what strangers ask for.
   */
  revoke(): Promise<Revoked>;
  /** `revoke`, and make this device an unknown one: before somebody else gets it. */
  forget(): Promise<Revoked>;
  /**
   * Make a request of your own with the access token: of another backend that trusts it.
   *
   * It is made again after one refresh if it is answered 401, and never otherwise.
   */
  withToken<A extends { readonly status: number }>(
    request: (accessToken: string) => Promise<A>,
  ): Promise<Answered<A>>;
  /** Whether there are tokens; they may have ended meanwhile. */
  isSignedIn(): Promise<boolean>;
  /** Be told of changes; returns what ends that. */
  onChange(listener: (change: Change) => void): () => void;
}

/** A refresh token may be presented again within 30 s if its answer was lost (contract, 5.2). */
const REFRESH_TRIES = 2;
const REFRESH_TIMEOUT_MS = 10_000;
const TIMEOUT_MS = 15_000;

const UNAUTHORIZED = 401;

/** Whether the latest code is gone after a refused send, or it is not known which code that is. */
function leavesInDoubt(refused: Failure<WordOf<"sendOtp">>): boolean {
  // Without a wait, every provider is down, and no code was made.
  if (refused.error === "sms_failed") return refused.resendIn !== null;
  return ["network_error", "unavailable", "internal_error"].includes(refused.error);
}

/** A client of the service at `baseUrl`. */
export function createClient(options: ClientOptions): Client {
  const { storage, timeoutMs = TIMEOUT_MS, lock = lockOf(storage), subtle } = options;
  const wire = createWire<paths>({
    baseUrl: options.baseUrl.replace(/\/+$/, ""),
    // Tokens go by header alone. A page's cookies are not this client's.
    credentials: "omit",
    ...(options.fetch ? { fetch: options.fetch } : {}),
  });
  const listeners = new Set<(change: Change) => void>();
  /** The challenge of the latest code, by the plain code of its pass. */
  const latest = new Map<string, string>();
  let renewing: { readonly of: string; readonly done: Promise<Renewed> } | null = null;

  function tell(change: Change): void {
    for (const listener of [...listeners]) listener(change);
  }

  /** What *request* is answered in time; null where it is not. It is given what all have in common. */
  function ask<A>(
    request: (common: Common) => Promise<A>,
    ms: number = timeoutMs,
  ): Promise<A | null> {
    const language = options.language?.();
    const headers: Record<string, string> = language ? { "Accept-Language": language } : {};
    return within(ms, (signal) => request({ headers, signal }));
  }

  async function renew(stale: Tokens): Promise<Renewed> {
    if (renewing?.of !== stale.accessToken) {
      const done = lock(() => exchange(stale)).finally(() => {
        if (renewing?.done === done) renewing = null;
      });
      renewing = { of: stale.accessToken, done };
    }
    return renewing.done;
  }

  async function exchange(stale: Tokens): Promise<Renewed> {
    const held = (await load(storage)).tokens;
    if (held === null) return failure("invalid_token");
    // Another window was quicker.
    if (held.accessToken !== stale.accessToken) return { error: null, tokens: held };
    let answer = await present(held.refreshToken);
    for (let tries = 1; tries < REFRESH_TRIES && answer.error === "network_error"; tries += 1) {
      answer = await present(held.refreshToken);
    }
    const ended =
      answer.error === "invalid_token" || answer.error === "token_reused" ? answer.error : null;
    const { tokens: now } = await update(storage, (kept) => {
      if (kept.tokens?.refreshToken !== held.refreshToken) return kept;
      if (answer.error === null) return { ...kept, tokens: answer.tokens };
      return ended === null ? kept : { ...kept, tokens: null };
    });
    if (now?.refreshToken !== held.refreshToken) {
      // Signed out meanwhile, or in anew: what came of the old token is nobody's any more.
      return now === null ? failure("invalid_token") : { error: null, tokens: now };
    }
    if (ended !== null) tell({ signedIn: false, because: ended });
    return answer;
  }

  async function present(refreshToken: string): Promise<Renewed> {
    const answer = await ask(
      (common) =>
        wire.POST("/token/refresh/", {
          body: { refresh_token: refreshToken },
          ...common,
        }),
      Math.min(timeoutMs, REFRESH_TIMEOUT_MS),
    );
    if (answer === null) return failure("network_error");
    const { data, error, response } = answer;
    const [accessToken, refreshed] = [data?.access_token, data?.refresh_token];
    if (typeof accessToken !== "string" || typeof refreshed !== "string") {
      return refusal("refreshTokens", error, response);
    }
    return { error: null, tokens: { accessToken, refreshToken: refreshed } };
  }

  async function withToken<A extends { readonly status: number }>(
    request: (accessToken: string) => Promise<A>,
  ): Promise<Answered<A>> {
    const { tokens } = await load(storage);
    if (tokens === null) return failure("invalid_token");
    const answer = await within(timeoutMs, () => request(tokens.accessToken));
    if (answer === null) return failure("network_error");
    if (answer.status !== UNAUTHORIZED) return { error: null, answer };
    const renewed = await renew(tokens);
    if (renewed.error !== null) return renewed;
    const again = await within(timeoutMs, () => request(renewed.tokens.accessToken));
    return again === null ? failure("network_error") : { error: null, answer: again };
  }

  /** What shows that this device is known to the holder of a pass; nothing where it is not. */
  async function knownAs(passCode: string): Promise<{ device_token?: string }> {
    const token = deviceTokenOf(await load(storage), passCode);
    return token === null ? {} : { device_token: token };
  }

  async function send(passCode: string, channel: Channel, work?: string): Promise<Sent> {
    const known = await knownAs(passCode);
    const body = {
      pass_code: passCode,
      ...known,
      ...(channel === "sms" ? {} : { channel }),
      ...(work === undefined ? {} : { work }),
    };
    const answer = await ask((common) => wire.POST("/customer/send-otp/", { body, ...common }));
    const data = answer?.data;
    if (data?.sent === true) {
      latest.set(plainPassCode(passCode), data.challenge_id);
      return {
        error: null,
        phoneMasked: data.phone_masked,
        challengeId: data.challenge_id,
        expiresIn: data.expires_in,
        resendIn: data.resend_in ?? null,
      };
    }
    const refused =
      answer === null
        ? failure("network_error")
        : refusal("sendOtp", answer.error, answer.response);
    if (leavesInDoubt(refused)) latest.delete(plainPassCode(passCode));
    return refused.error === "work_required" ? solvable(refused, passCode, channel) : refused;
  }

  /** *refused*, with what does its work and sends again. */
  function solvable(refused: WorkRefusal, passCode: string, channel: Channel): WorkRequired {
    let payload: string | null = null;
    let under: Promise<Sent> | null = null;
    async function sendSolved(how: WorkOptions): Promise<Sent> {
      try {
        if (refused.work === null) throw new CannotSolveError("work of an unknown form");
        payload ??= await solve(refused.work, { ...how, ...(subtle ? { subtle } : {}) });
      } catch (error) {
        if (error instanceof SolveAbortedError) return notDone(refused, true);
        if (error instanceof CannotSolveError) return notDone(refused, false);
        throw error;
      }
      // Cancelled in the last moment.
      return how.signal?.aborted === true
        ? notDone(refused, true)
        : send(passCode, channel, payload);
    }
    return {
      ...refused,
      solve(how = {}) {
        under ??= sendSolved(how).finally(() => {
          under = null;
        });
        return under;
      },
    };
  }

  /** Sign out at the service with what was kept here. */
  async function leave({ tokens }: Kept): Promise<Revoked> {
    tell({ signedIn: false, because: "revoked" });
    if (tokens === null) return { error: null };
    const answer = await ask((common) =>
      wire.POST("/token/revoke/", {
        body: { refresh_token: tokens.refreshToken },
        ...common,
      }),
    );
    if (answer === null) return failure("network_error");
    const { data, error, response } = answer;
    return data?.success === true ? { error: null } : refusal("revokeTokens", error, response);
  }

  return {
    async validatePass(passCode) {
      const answer = await ask((common) =>
        wire.POST("/customer/validate-pass/", {
          body: { pass_code: passCode },
          ...common,
        }),
      );
      if (answer === null) return failure("network_error");
      const { data, error, response } = answer;
      if (data?.valid !== true || !("phone_masked" in data)) {
        return refusal("validatePass", data ?? error, response);
      }
      return { error: null, phoneMasked: data.phone_masked };
    },

    sendOtp: (passCode, channel = "sms") => send(passCode, channel),

    async verifyOtp(passCode, otp, challengeId) {
      const known = await knownAs(passCode);
      const answer = await ask((common) =>
        wire.POST("/customer/verify-otp/", {
          body: {
            pass_code: passCode,
            otp,
            challenge_id: challengeId ?? latest.get(plainPassCode(passCode)) ?? null,
            ...known,
          },
          ...common,
        }),
      );
      if (answer === null) return failure("network_error");
      const { data, error, response } = answer;
      if (data?.success !== true) return refusal("verifyOtp", error, response);
      const { access_token: accessToken, refresh_token: refreshToken } = data;
      await update(storage, ({ devices }) => ({
        tokens: { accessToken, refreshToken },
        devices: withDevice(devices, data.pass.pass_code, data.device_token),
      }));
      latest.delete(plainPassCode(passCode));
      tell({ signedIn: true });
      return { error: null, user: userOf(data.user), pass: passOf(data.pass) };
    },

    async me() {
      const found = await withToken(async (accessToken) => {
        const answer = await ask(({ headers, signal }) =>
          wire.GET("/customer/me/", {
            headers: { ...headers, Authorization: `Bearer ${accessToken}` },
            signal,
          }),
        );
        if (answer === null) throw new Error("no answer");
        return { ...answer, status: answer.response.status };
      });
      if (found.error !== null) return found;
      const { data, error, response } = found.answer;
      if (data?.user === undefined) return refusal("me", error, response);
      return { error: null, user: userOf(data.user), pass: passOf(data.pass) };
    },

    async refresh() {
      const { tokens } = await load(storage);
      if (tokens === null) return failure("invalid_token");
      const renewed = await renew(tokens);
      return renewed.error === null ? { error: null } : renewed;
    },

    async revoke() {
      return leave(await update(storage, (kept) => ({ ...kept, tokens: null })));
    },

    async forget() {
      latest.clear();
      return leave(await update(storage, () => NOTHING));
    },

    withToken,

    async isSignedIn() {
      return (await load(storage)).tokens !== null;
    },

    onChange(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

interface Common {
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
}

type Renewed = Outcome<{ readonly tokens: Tokens }, "refreshTokens">;

/**
 * What *work* comes to within *ms* milliseconds; null where it fails or takes longer.
 *
 * By a timer and not by `AbortSignal.timeout`, which React Native does not have.
 */
async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => {
      resolve(null);
      controller.abort();
    }, ms);
  });
  try {
    return await Promise.race([work(controller.signal), late]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}

function userOf(body: Body<"UserBody">): User {
  return {
    id: body.id,
    email: body.email,
    firstName: body.first_name,
    lastName: body.last_name,
    phoneNumber: body.phone_number,
  };
}

function passOf(body: Body<"PassBody">): Pass {
  return {
    passCode: body.pass_code,
    status: body.status === "expired" ? "expired" : "active",
    planName: body.plan_name,
    expiresAt: body.expires_at,
    daysUntilExpiry: body.days_until_expiry,
    isExpired: body.is_expired,
  };
}
