/**
 * What can go wrong, by route: the words of docs/contract.md, section 5, and `network_error`.
 *
 * A test holds these lists to the examples in the service's own OpenAPI document.
 */

import { isRecord } from "./json";
import { type Work, workOf } from "./work";

/** Words of every route. `network_error`: nobody answered in time, or it was not the service. */
export const EVERYWHERE = [
  "network_error",
  "unavailable",
  "internal_error",
  "malformed_request",
  "body_too_large",
  "unsupported_media_type",
  "not_found",
  "method_not_allowed",
] as const;

/** Words of one route each, beside those of every route. */
export const WORDS = {
  validatePass: [
    "pass_code_required",
    "invalid_format",
    "pass_not_found",
    "pass_not_paid",
    "no_phone",
    "lookup_rate_limited",
  ],
  sendOtp: [
    "pass_code_required",
    "channel_not_available",
    "invalid_pass",
    "no_phone_number",
    "lookup_rate_limited",
    "locked_out",
    "phone_rate_limited",
    "rate_limited",
    "region_rate_limited",
    "resend_too_soon",
    "sms_failed",
    "spend_limited",
    "work_required",
  ],
  verifyOtp: [
    "missing_fields",
    "invalid_pass",
    "malformed_otp",
    "invalid_otp",
    "otp_expired",
    "too_many_attempts",
    "locked_out",
    "rate_limited",
    "lookup_rate_limited",
  ],
  refreshTokens: ["missing_fields", "invalid_token", "token_reused", "rate_limited"],
  revokeTokens: ["missing_fields", "rate_limited"],
  me: ["invalid_token"],
} as const;

export type Operation = keyof typeof WORDS;

/** A word of one route or of every route. */
export type WordOf<O extends Operation> = (typeof WORDS)[O][number] | (typeof EVERYWHERE)[number];

/** A word of a route, or this client's own for work that it was to do and did not. */
export type ErrorWord = WordOf<Operation> | "work_not_done";

const AFTER_A_WAIT = [
  "lookup_rate_limited",
  "locked_out",
  "phone_rate_limited",
  "rate_limited",
  "region_rate_limited",
  "resend_too_soon",
  "spend_limited",
  "unavailable",
] as const;

const NEEDS_A_CODE = ["sms_failed", "invalid_otp", "otp_expired", "too_many_attempts"] as const;

interface Told {
  /** A sentence for a person, in the language that was asked for; null where nobody answered. */
  readonly message: string | null;
  /** What the service's log calls the request. */
  readonly requestId: string | null;
}

interface Waits {
  /** Seconds until the same request may succeed; null where no wait helps. */
  readonly retryAfterSeconds: number | null;
}

interface Stands {
  /** Whether the code that was sent last is still good; older services do not say, and mean it. */
  readonly live: boolean;
}

interface Asks {
  /** Seconds until a new code may be asked for; null where no wait helps. */
  readonly resendIn: number | null;
}

interface Counts {
  /** Guesses that this code still has. */
  readonly attemptsRemaining: number;
}

interface Works {
  readonly kind: "work";
  /** How long the work takes a phone, about. */
  readonly seconds: number;
  /** What there is to do; null where this client does not know its form. */
  readonly work: Work | null;
}

interface NotDone {
  /** It was aborted; otherwise this device cannot do it. */
  readonly cancelled: boolean;
}

/** A refusal: `error` says which, and which other members there are. */
export type Failure<W extends ErrorWord = ErrorWord> = W extends ErrorWord
  ? Told & { readonly error: W } & (W extends (typeof AFTER_A_WAIT)[number] ? Waits : unknown) &
      (W extends (typeof NEEDS_A_CODE)[number] ? Asks : unknown) &
      (W extends "resend_too_soon" ? Stands : unknown) &
      (W extends "invalid_otp" ? Counts : unknown) &
      (W extends "work_required" ? Works : unknown) &
      (W extends "work_not_done" ? NotDone : unknown)
  : never;

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function count(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

/**
 * The refusal *word*, with what the service said of it.
 *
 * @param body - The problem; nothing where nobody answered.
 * @param retryAfter - The header of that name.
 */
export function failure<W extends ErrorWord>(
  word: W,
  body: unknown = null,
  retryAfter: string | null = null,
): Failure<W> {
  const said = isRecord(body) ? body : {};
  const found: Record<string, unknown> = {
    error: word,
    message: text(said["message"]),
    requestId: text(said["request_id"]),
  };
  if (AFTER_A_WAIT.some((one) => one === word)) {
    const header = retryAfter !== null && /^[0-9]+$/.test(retryAfter) ? Number(retryAfter) : null;
    found["retryAfterSeconds"] = count(said["retry_after_seconds"]) ?? header;
  }
  if (NEEDS_A_CODE.some((one) => one === word)) found["resendIn"] = count(said["resend_in"]);
  if (word === "resend_too_soon") found["live"] = said["live"] !== false;
  if (word === "invalid_otp") found["attemptsRemaining"] = count(said["attempts_remaining"]) ?? 0;
  if (word === "work_required") {
    const seconds = count(said["work_seconds"]) ?? 0;
    Object.assign(found, { kind: "work", seconds, work: workOf(said["work"], seconds) });
  }
  return found as unknown as Failure<W>;
}

/** What came of a *refused* request whose work was not done. */
export function notDone(
  { message, requestId }: Failure<"work_required">,
  cancelled: boolean,
): Failure<"work_not_done"> {
  return { error: "work_not_done", message, requestId, cancelled };
}

/**
 * The refusal in an answer of *operation*.
 *
 * A body without `error` is not the service's: a proxy or a hotel's network answered in its place.
 * A word that this client does not know, of a newer service, is an `internal_error` with the
 * service's sentence.
 */
export function refusal<O extends Operation>(
  operation: O,
  body: unknown,
  response: Response,
): Failure<WordOf<O>> {
  const word = isRecord(body) ? text(body["error"]) : null;
  const words: readonly WordOf<O>[] = [...WORDS[operation], ...EVERYWHERE];
  if (word === null) return failure<WordOf<O>>("network_error");
  const known = words.find((one) => one === word) ?? "internal_error";
  return failure<WordOf<O>>(known, body, response.headers.get("retry-after"));
}
