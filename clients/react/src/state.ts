/** How far a customer has come, and what follows from each answer: a pure function. */

import type { Channel, ErrorWord, Failure, Pass, Sent, SignedIn, User } from "@hsp-otp/api";

/** Why the last request came to nothing. */
export interface Refusal {
  readonly error: ErrorWord;
  /** The service's sentence; null where it did not answer. */
  readonly message: string | null;
  /** When the same may succeed, by the clock; null where no wait helps or none is needed. */
  readonly retryAt: number | null;
}

interface Waiting {
  /** A request is on its way. */
  readonly busy: boolean;
  readonly refusal: Refusal | null;
}

/** The work that one more code costs is being done. */
export interface Working {
  /** How long it takes a phone, about. */
  readonly seconds: number;
  /** From 0 to 1, of what it takes at most: it may end at any moment from a third on. */
  readonly progress: number;
}

interface Sending extends Waiting {
  readonly working: Working | null;
}

/** Nobody is known yet: the storage is being read. */
export interface Restoring {
  readonly step: "restoring";
}

/** A pass code is asked for. */
export interface AskingPass extends Sending {
  readonly step: "pass";
}

/**
 * Why a code cannot be right any more: too many wrong guesses, its time, or no message that anyone
 * got. `locked` bars the next code, too, until `resendAt`, or without one until an operator unlocks.
 * `other` is what the service does not tell: a newer code, a sign-in with it, a change of number.
 */
export type CodeEnd = "exhausted" | "expired" | "undelivered" | "locked" | "other";

/** A code is on its way, or was. */
export interface AskingCode extends Sending {
  readonly step: "code";
  readonly passCode: string;
  readonly phoneMasked: string;
  /** Of the latest code; null where its answer was lost. */
  readonly challengeId: string | null;
  /** When the code ends, by the clock; null where that is not known. */
  readonly expiresAt: number | null;
  /** When another may be asked for, by the clock; null where no wait is known. */
  readonly resendAt: number | null;
  /** The same for a call, which has to wait until `resendAt`, too. */
  readonly callAt: number | null;
  /** How the latest code was sent. */
  readonly channel: Channel;
  /** Guesses that the code still has; null before the first wrong one. */
  readonly attemptsRemaining: number | null;
  /** Wrong guesses at the code that were made here. */
  readonly wrongGuesses: number;
  /** Why no code stands that can be right; null while one does, as far as is known. */
  readonly over: CodeEnd | null;
}

/** Somebody is signed in. */
export interface In extends Waiting {
  readonly step: "in";
  /** Null until the service has been asked, at a start with tokens from the storage. */
  readonly user: User | null;
  readonly pass: Pass | null;
}

export type AuthState = Restoring | AskingPass | AskingCode | In;

/** What happened, with the instant where an answer counts seconds from it. */
export type Event =
  | { readonly type: "restored"; readonly signedIn: boolean }
  | { readonly type: "busy" }
  | { readonly type: "working"; readonly working: Working }
  | { readonly type: "refused"; readonly failure: Failure; readonly now: number }
  | {
      readonly type: "sent";
      readonly passCode: string;
      readonly phoneMasked: string;
      readonly channel: Channel;
      readonly sent: Sent;
      readonly now: number;
    }
  | { readonly type: "judged"; readonly judged: SignedIn; readonly now: number }
  | { readonly type: "known"; readonly user: User; readonly pass: Pass }
  | { readonly type: "ended"; readonly because: ErrorWord | null }
  | { readonly type: "startOver" };

export const RESTORING: AuthState = { step: "restoring" };

const START: AskingPass = { step: "pass", busy: false, refusal: null, working: null };

/** From any code to a call (contract, section 3); a service without a cooldown has none for calls. */
const CALL_COOLDOWN_SECONDS = 60;

function after(seconds: number | null, now: number): number | null {
  return seconds === null ? null : now + seconds * 1000;
}

function refusalOf(failure: Failure, now: number): Refusal {
  const { message } = failure;
  // Work that was cancelled is still required.
  const error =
    failure.error === "work_not_done" && failure.cancelled ? "work_required" : failure.error;
  let wait: number | null = null;
  if ("retryAfterSeconds" in failure) wait = failure.retryAfterSeconds;
  else if (failure.error === "sms_failed") wait = failure.resendIn;
  return { error, message, retryAt: after(wait, now) };
}

function sent(state: AuthState, event: Extract<Event, { type: "sent" }>): AskingPass | AskingCode {
  const { passCode, phoneMasked, channel, sent: answer, now } = event;
  const before: AskingCode =
    state.step === "code"
      ? { ...state, busy: false, working: null }
      : {
          step: "code",
          busy: false,
          refusal: null,
          working: null,
          passCode,
          phoneMasked,
          challengeId: null,
          expiresAt: null,
          resendAt: null,
          callAt: null,
          channel,
          attemptsRemaining: null,
          wrongGuesses: 0,
          over: null,
        };
  if (answer.error === null) {
    return {
      ...before,
      refusal: null,
      phoneMasked: answer.phoneMasked,
      challengeId: answer.challengeId,
      expiresAt: after(answer.expiresIn, now),
      resendAt: after(answer.resendIn, now),
      callAt: answer.resendIn === 0 ? null : after(CALL_COOLDOWN_SECONDS, now),
      channel,
      attemptsRemaining: null,
      wrongGuesses: 0,
      over: null,
    };
  }
  const refusal = refusalOf(answer, now);
  // A code is on its way, whoever asked for it: it can be entered.
  const stands = answer.error === "resend_too_soon" && answer.live;
  if (state.step !== "code" && !stands) return { ...START, refusal };
  // A call that has to wait does not hold up a message.
  const resendAt = channel === "sms" ? (refusal.retryAt ?? before.resendAt) : before.resendAt;
  const callAt = channel === "voice" ? (refusal.retryAt ?? before.callAt) : before.callAt;
  switch (answer.error) {
    case "sms_failed":
      // Without a wait, every provider is down, and no code was made: an older one stands.
      if (answer.resendIn === null) return { ...before, refusal, resendAt: null, callAt: null };
      // The older code is gone, and the new one withdrawn.
      return { ...before, refusal, resendAt: refusal.retryAt, callAt, over: "undelivered" };
    case "network_error": // which of two codes is the live one is not known
      return { ...before, refusal, challengeId: null, expiresAt: null, over: null };
    case "resend_too_soon":
      if (!answer.live)
        return { ...before, refusal, resendAt, callAt, over: before.over ?? "other" };
      if (before.over === null) return { ...before, refusal, resendAt, callAt };
      // Somebody else has asked for the code that stands.
      return {
        ...before,
        refusal,
        resendAt,
        callAt,
        challengeId: null,
        expiresAt: null,
        attemptsRemaining: null,
        wrongGuesses: 0,
        over: null,
      };
    case "locked_out":
      return { ...before, refusal, resendAt: refusal.retryAt, over: "locked" };
    default:
      return { ...before, refusal, resendAt, callAt };
  }
}

function endOf(
  word: "otp_expired" | "too_many_attempts",
  { expiresAt }: AskingCode,
  now: number,
): CodeEnd {
  if (word === "too_many_attempts") return "exhausted";
  return expiresAt !== null && now >= expiresAt ? "expired" : "other";
}

function judged(state: AskingCode, answer: SignedIn, now: number): AskingCode | In {
  if (answer.error === null) {
    return { step: "in", busy: false, refusal: null, user: answer.user, pass: answer.pass };
  }
  const next = { ...state, busy: false, refusal: refusalOf(answer, now) };
  // Where no wait helps, a lock bars the next code.
  const locked = "resendIn" in answer && answer.resendIn === null;
  switch (answer.error) {
    case "invalid_otp":
      return {
        ...next,
        resendAt: after(answer.resendIn, now),
        attemptsRemaining: answer.attemptsRemaining,
        wrongGuesses: state.wrongGuesses + 1,
        over: locked ? "locked" : answer.attemptsRemaining === 0 ? "exhausted" : null,
      };
    case "otp_expired":
    case "too_many_attempts":
      return {
        ...next,
        resendAt: after(answer.resendIn, now),
        attemptsRemaining: null,
        over: locked ? "locked" : endOf(answer.error, state, now),
      };
    case "locked_out":
      return { ...next, resendAt: next.refusal.retryAt, over: "locked" };
    default:
      return next;
  }
}

/** What *state* becomes by *event*. */
export function reduce(state: AuthState, event: Event): AuthState {
  switch (event.type) {
    case "restored":
      if (state.step !== "restoring") return state;
      return event.signedIn
        ? { step: "in", busy: true, refusal: null, user: null, pass: null }
        : START;
    case "busy":
      return state.step === "restoring" ? state : { ...state, busy: true, refusal: null };
    case "working":
      return state.step === "pass" || state.step === "code"
        ? { ...state, working: event.working }
        : state;
    case "refused":
      return state.step === "restoring"
        ? state
        : { ...state, busy: false, refusal: refusalOf(event.failure, event.now) };
    case "sent":
      return sent(state, event);
    case "judged":
      return state.step === "code" ? judged(state, event.judged, event.now) : state;
    case "known":
      // Whoever has signed out meanwhile stays out.
      if (state.step !== "in") return state;
      return { step: "in", busy: false, refusal: null, user: event.user, pass: event.pass };
    case "ended": {
      const { because } = event;
      return {
        ...START,
        refusal: because === null ? null : { error: because, message: null, retryAt: null },
      };
    }
    case "startOver":
      return state.step === "code" ? START : state;
  }
}
