/** Pass login for an app that has an auth context of its own: two calls, and what came of each. */

import type { Channel, Client, ErrorWord, Failure } from "@hsp-otp/api";
import { useEffect, useMemo } from "react";

export interface PassLoginResult {
  readonly success: boolean;
  readonly error?: ErrorWord;
  /** The service's sentence; left out where the service did not answer. */
  readonly message?: string;
  /** Guesses that the code still has, after a wrong one. */
  readonly attemptsRemaining?: number;
  /** After `resend_too_soon`: whether the code that was sent last can still be entered. */
  readonly live?: boolean;
}

export interface PassLogin {
  /**
   * Look a pass up and text a code to its holder, or another code, which replaces the older one.
   * With `voice`, the holder is called, where the service has calls.
   */
  readonly requestOTP: (passCode: string, channel?: Channel) => Promise<PassLoginResult>;
  /** Present a code. The right one signs in, and the client keeps the tokens. */
  readonly submitOTP: (passCode: string, otp: string) => Promise<PassLoginResult>;
}

const SUCCESS: PassLoginResult = { success: true };

function resultOf(answer: { readonly error: null } | Failure): PassLoginResult {
  if (answer.error === null) return SUCCESS;
  const { error, message } = answer;
  return {
    success: false,
    error,
    ...(message === null ? {} : { message }),
    ...(answer.error === "invalid_otp" ? { attemptsRemaining: answer.attemptsRemaining } : {}),
    ...(answer.error === "resend_too_soon" ? { live: answer.live } : {}),
  };
}

/** *call*, but while one is on its way, the same call again waits for its result: two taps are one. */
function shared<A extends readonly (string | undefined)[]>(
  call: (...told: A) => Promise<PassLoginResult>,
): (...told: A) => Promise<PassLoginResult> {
  const pending = new Map<string, Promise<PassLoginResult>>();
  return (...told) => {
    const key = JSON.stringify(told);
    const result =
      pending.get(key) ??
      call(...told).finally(() => {
        pending.delete(key);
      });
    pending.set(key, result);
    return result;
  };
}

interface Calls {
  readonly login: PassLogin;
  /** Work goes on until *signal*. */
  readonly worksUntil: (signal: AbortSignal) => void;
}

function callsOf(client: Client): Calls {
  let working: { readonly signal?: AbortSignal } = {};
  return {
    login: {
      requestOTP: shared(async (passCode: string, channel?: Channel) => {
        const found = await client.validatePass(passCode);
        if (found.error !== null) return resultOf(found);
        const sent = await client.sendOtp(passCode, channel);
        return resultOf(sent.error === "work_required" ? await sent.solve(working) : sent);
      }),
      submitOTP: shared(async (passCode: string, otp: string) =>
        resultOf(await client.verifyOtp(passCode, otp)),
      ),
    },
    worksUntil: (signal) => {
      working = { signal };
    },
  };
}

/**
 * The calls that an existing auth context hands to its screens. Neither of them rejects.
 *
 * Work that a code costs is done on the way, until the component is gone. An app without a context
 * of its own has more from `AuthProvider`: countdowns, progress, and who is signed in.
 */
export function usePassLogin(client: Client): PassLogin {
  const { login, worksUntil } = useMemo(() => callsOf(client), [client]);
  useEffect(() => {
    const controller = new AbortController();
    worksUntil(controller.signal);
    return () => {
      controller.abort();
    };
  }, [worksUntil]);
  return login;
}
