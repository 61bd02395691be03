/** How far a customer is, and what follows from each answer. */

import type { Me, Revoked, Sent, SignedIn } from "@hsp-otp/api";
import { act, renderHook, waitFor } from "@testing-library/react-native";
import { type ReactNode, StrictMode } from "react";

import { type Auth, AuthProvider, useAuth, useSecondsUntil } from "../src";
import { held, ManualClock, PASS, refused, Scripted, ScriptedWork, SENT, USER } from "./scripted";

interface Seen {
  readonly auth: Auth;
  readonly left: number;
}

interface House {
  readonly client: Scripted;
  readonly clock: ManualClock;
  readonly seen: { readonly current: Seen };
  readonly leave: () => void;
}

function useSeen(): Seen {
  const auth = useAuth();
  return { auth, left: useSecondsUntil(auth.step === "code" ? auth.resendAt : null) };
}

async function open(prepare: (client: Scripted) => void = () => undefined): Promise<House> {
  const client = new Scripted();
  const clock = new ManualClock();
  prepare(client);
  const { result, unmount } = renderHook(useSeen, {
    wrapper: ({ children }: { children: ReactNode }) => (
      <StrictMode>
        <AuthProvider client={client} clock={clock}>
          {children}
        </AuthProvider>
      </StrictMode>
    ),
  });
  expect(result.current.auth.step).toBe("restoring");
  await waitFor(() => {
    expect(result.current.auth.step).not.toBe("restoring");
  });
  return { client, clock, seen: result, leave: unmount };
}

async function does(house: House, act_: (auth: Auth) => Promise<void> | void): Promise<Auth> {
  await act(async () => act_(house.seen.current.auth));
  return house.seen.current.auth;
}

async function openWithCode(prepare?: (client: Scripted) => void): Promise<House> {
  const house = await open(prepare);
  const auth = await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  expect(auth.step).toBe("code");
  return house;
}

function hook(): void {
  renderHook(useAuth);
}

test("it needs its provider", () => {
  const told = jest.spyOn(console, "error").mockImplementation(() => undefined);
  expect(hook).toThrow("AuthProvider");
  told.mockRestore();
});

test("the whole way, and out", async () => {
  const house = await open();
  expect(house.seen.current.auth).toMatchObject({ step: "pass", busy: false, refusal: null });
  const now = house.clock.now();
  let auth = await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  expect(auth).toMatchObject({
    step: "code",
    phoneMasked: "***-***-3210",
    challengeId: "c1",
    expiresAt: now + 600_000,
    resendAt: now + 30_000,
    attemptsRemaining: null,
    over: null,
  });
  auth = await does(house, ({ submitOtp }) => submitOtp("123456"));
  expect(auth).toMatchObject({ step: "in", user: USER, pass: PASS, busy: false });
  auth = await does(house, ({ signOut }) => signOut());
  expect(auth).toMatchObject({ step: "pass", refusal: null });
  expect(house.client.asked).toEqual([
    ["validatePass", "HSP-1234-5678"],
    ["sendOtp", "HSP-1234-5678"],
    ["verifyOtp", "HSP-1234-5678", "123456", "c1"],
    ["revoke"],
  ]);
});

test("the countdown goes by the clock, and stops at nothing", async () => {
  const house = await openWithCode();
  expect(house.seen.current.left).toBe(30);
  await house.clock.advance(0.4);
  expect(house.seen.current.left).toBe(30);
  await house.clock.advance(0.6);
  expect(house.seen.current.left).toBe(29);
  await house.clock.advance(100);
  expect(house.seen.current.left).toBe(0);
});

test("a pass that is refused sends nothing", async () => {
  const house = await open((client) => {
    client.validated = refused("pass_not_paid");
  });
  const auth = await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  const refusal = { error: "pass_not_paid", message: "told: pass_not_paid", retryAt: null };
  expect(auth).toMatchObject({ step: "pass", busy: false, refusal });
  expect(house.client.count("sendOtp")).toBe(0);
});

test.each([
  ["rate_limited", { retryAfterSeconds: 60 }, 60_000],
  ["locked_out", { retryAfterSeconds: null }, null],
  ["sms_failed", { resendIn: 30 }, 30_000],
  ["sms_failed", { resendIn: 0 }, 0],
  ["resend_too_soon", { retryAfterSeconds: 12, live: false }, 12_000],
  ["network_error", {}, null],
])("no first code for %s: the pass is asked for still", async (error, members, wait) => {
  const house = await open((client) => {
    client.sent = refused(error, members);
  });
  const auth = await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  const retryAt = wait === null ? null : house.clock.now() + wait;
  expect(auth).toMatchObject({ step: "pass", refusal: { error, retryAt } });
});

test("asked for too soon, a code is on its way: it can be entered", async () => {
  const house = await open((client) => {
    client.sent = refused("resend_too_soon", { retryAfterSeconds: 12, live: true });
  });
  const auth = await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  expect(auth).toMatchObject({
    step: "code",
    phoneMasked: "***-***-3210",
    challengeId: null,
    expiresAt: null,
    resendAt: house.clock.now() + 12_000,
    refusal: { error: "resend_too_soon" },
  });
  await does(house, ({ submitOtp }) => submitOtp("123456"));
  expect(house.client.asked.at(-1)).toEqual(["verifyOtp", "HSP-1234-5678", "123456", undefined]);
});

test.each([
  ["invalid_otp", { attemptsRemaining: 2 }, { attemptsRemaining: 2, over: null }],
  ["invalid_otp", { attemptsRemaining: 0 }, { attemptsRemaining: 0, over: "exhausted" }],
  ["otp_expired", {}, { attemptsRemaining: null, over: "other" }],
  ["too_many_attempts", {}, { attemptsRemaining: null, over: "exhausted" }],
])("a code judged %s %j", async (error, members, expected) => {
  const house = await openWithCode();
  house.client.judged = refused(error, { ...members, resendIn: 12 });
  const auth = await does(house, ({ submitOtp }) => submitOtp("000000"));
  const resendAt = house.clock.now() + 12_000;
  expect(auth).toMatchObject({ step: "code", busy: false, resendAt, ...expected });
});

test.each([
  ["invalid_otp", { attemptsRemaining: 1, resendIn: null }, null],
  ["otp_expired", { resendIn: null }, null],
  ["too_many_attempts", { resendIn: null }, null],
  ["locked_out", { retryAfterSeconds: null }, null],
  ["locked_out", { retryAfterSeconds: 60 }, 60_000],
])("a lock after a code judged %s %j", async (error, members, wait) => {
  const house = await openWithCode();
  house.client.judged = refused(error, members);
  const auth = await does(house, ({ submitOtp }) => submitOtp("000000"));
  const resendAt = wait === null ? null : house.clock.now() + wait;
  expect(auth).toMatchObject({ step: "code", over: "locked", resendAt });
});

test.each([
  [599, "other"],
  [600, "expired"],
])("a code refused after %i seconds has ended: %s", async (seconds, over) => {
  const house = await openWithCode();
  await house.clock.advance(seconds);
  house.client.judged = refused("otp_expired", { resendIn: 0 });
  expect(await does(house, ({ submitOtp }) => submitOtp("123456"))).toMatchObject({ over });
});

test.each([
  ["malformed_otp", {}],
  ["rate_limited", { retryAfterSeconds: 5 }],
  ["network_error", {}],
  ["unavailable", { retryAfterSeconds: 2 }],
])("%s leaves the code as it was", async (error, members) => {
  const house = await openWithCode();
  const { resendAt } = house.seen.current.auth as never;
  house.client.judged = refused(error, members);
  const auth = await does(house, ({ submitOtp }) => submitOtp("000000"));
  expect(auth).toMatchObject({ step: "code", over: null, resendAt, challengeId: "c1" });
  expect(auth).toMatchObject({ refusal: { error } });
});

test("another code replaces what was known of the older one", async () => {
  const house = await openWithCode();
  house.client.judged = refused("invalid_otp", { attemptsRemaining: 0, resendIn: 0 });
  await does(house, ({ submitOtp }) => submitOtp("000000"));
  const sent = { expiresIn: 600, resendIn: null, phoneMasked: "***-***-3210" };
  house.client.sent = { error: null, challengeId: "c2", ...sent };
  const auth = await does(house, ({ resendOtp }) => resendOtp());
  expect(auth).toMatchObject({ challengeId: "c2", over: null, attemptsRemaining: null });
  expect(auth).toMatchObject({ refusal: null, resendAt: null });
  expect(house.client.count("validatePass")).toBe(1);
});

test.each([
  ["sms_failed", { resendIn: 0 }, { over: "undelivered", resendAt: 0 }],
  ["sms_failed", { resendIn: null }, { over: null, resendAt: null }],
  ["phone_rate_limited", { retryAfterSeconds: 60 }, { over: null, resendAt: 60_000 }],
  ["locked_out", { retryAfterSeconds: 60 }, { over: "locked", resendAt: 60_000 }],
  ["locked_out", { retryAfterSeconds: null }, { over: "locked", resendAt: null }],
  ["resend_too_soon", { retryAfterSeconds: 9, live: true }, { over: null, resendAt: 9_000 }],
  ["resend_too_soon", { retryAfterSeconds: 9, live: false }, { over: "other", resendAt: 9_000 }],
])("another code refused: %s %j", async (error, members, expected) => {
  const house = await openWithCode();
  house.client.sent = refused(error, members);
  const auth = await does(house, ({ resendOtp }) => resendOtp());
  const { resendAt } = expected;
  const at = resendAt === null ? null : house.clock.now() + resendAt;
  expect(auth).toMatchObject({ ...expected, resendAt: at, challengeId: "c1", refusal: { error } });
});

test.each([
  [true, { over: null, challengeId: null, expiresAt: null, attemptsRemaining: null }],
  [false, { over: "exhausted", challengeId: "c1" }],
])("another code too soon after one that ended, and one stands: %s", async (live, expected) => {
  const house = await openWithCode();
  house.client.judged = refused("invalid_otp", { attemptsRemaining: 0, resendIn: 0 });
  await does(house, ({ submitOtp }) => submitOtp("000000"));
  house.client.sent = refused("resend_too_soon", { retryAfterSeconds: 9, live });
  expect(await does(house, ({ resendOtp }) => resendOtp())).toMatchObject(expected);
});

test("another code whose answer was lost: any code is judged by itself", async () => {
  const house = await openWithCode();
  house.client.sent = refused("network_error");
  const auth = await does(house, ({ resendOtp }) => resendOtp());
  expect(auth).toMatchObject({ step: "code", challengeId: null, expiresAt: null, over: null });
});

// Calls

test("a call brings another code, and the next call waits for a minute", async () => {
  const house = await openWithCode();
  const start = house.clock.now();
  expect(house.seen.current.auth).toMatchObject({ channel: "sms", callAt: start + 60_000 });
  await house.clock.advance(60);
  house.client.sent = { ...SENT, challengeId: "c2" };
  const auth = await does(house, ({ callInstead }) => callInstead());
  expect(house.client.asked.at(-1)).toEqual(["sendOtp", "HSP-1234-5678", "voice"]);
  expect(auth).toMatchObject({
    channel: "voice",
    challengeId: "c2",
    resendAt: start + 90_000,
    callAt: start + 120_000,
  });
  house.client.sent = { ...SENT, challengeId: "c3" };
  expect(await does(house, ({ resendOtp }) => resendOtp())).toMatchObject({ channel: "sms" });
});

test("a service without a cooldown has none for calls", async () => {
  const house = await openWithCode((client) => {
    client.sent = { ...SENT, resendIn: 0 };
  });
  expect(house.seen.current.auth).toMatchObject({ callAt: null });
});

test.each([
  ["resend_too_soon", { retryAfterSeconds: 9, live: true }, 9_000],
  ["phone_rate_limited", { retryAfterSeconds: 3600 }, 3_600_000],
  ["channel_not_available", {}, 60_000],
])("a call refused does not hold up a message: %s", async (error, members, wait) => {
  const house = await openWithCode();
  const now = house.clock.now();
  house.client.sent = refused(error, members);
  const auth = await does(house, ({ callInstead }) => callInstead());
  expect(auth).toMatchObject({
    channel: "sms",
    challengeId: "c1",
    over: null,
    resendAt: now + 30_000,
    callAt: now + wait,
    refusal: { error },
  });
});

test.each([
  ["sms_failed", { resendIn: 0 }, { over: "undelivered", wait: 0 }],
  ["locked_out", { retryAfterSeconds: 60 }, { over: "locked", wait: 60_000 }],
])("a call refused, and no code stands: %s", async (error, members, { over, wait }) => {
  const house = await openWithCode();
  const at = house.clock.now() + wait;
  house.client.sent = refused(error, members);
  const auth = await does(house, ({ callInstead }) => callInstead());
  expect(auth).toMatchObject({ over, resendAt: at, callAt: at });
});

test("before there is a code, nobody is called", async () => {
  const house = await open();
  await does(house, ({ callInstead }) => callInstead());
  expect(house.client.asked).toEqual([]);
});

// A code that costs work

const NEXT = { error: null, phoneMasked: "***-***-3210", challengeId: "c2" } as const;

/** A house whose next send asks for *work*, once somebody has asked for a code. */
async function asksForWork(
  work: ScriptedWork,
  { resends }: { resends: boolean },
): Promise<{ readonly house: House; readonly sending: Promise<void> }> {
  const house = resends ? await openWithCode() : await open();
  house.client.sent = work.required();
  let sending = Promise.resolve();
  await act(async () => {
    const { requestOtp, resendOtp } = house.seen.current.auth;
    sending = resends ? resendOtp() : requestOtp("HSP-1234-5678");
    await Promise.resolve();
  });
  await waitFor(() => {
    expect(work.begun).toBe(1);
  });
  return { house, sending };
}

const PLACES = [
  ["the first code", { resends: false }, "pass"],
  ["another code", { resends: true }, "code"],
] as const;

describe.each(PLACES)("%s costs work", (_, how, step) => {
  test("it is done, progress is told, and the code is sent", async () => {
    const work = new ScriptedWork();
    const { house, sending } = await asksForWork(work, how);
    const working = { seconds: 4, progress: 0 };
    expect(house.seen.current.auth).toMatchObject({ step, busy: true, refusal: null, working });
    await work.reaches(750);
    expect(house.seen.current.auth).toMatchObject({ working: { seconds: 4, progress: 0.5 } });
    await work.reaches(1600);
    expect(house.seen.current.auth).toMatchObject({ working: { seconds: 4, progress: 1 } });
    await work.ends({ ...NEXT, expiresIn: 600, resendIn: 30 });
    await act(() => sending);
    expect(house.seen.current.auth).toMatchObject({
      step: "code",
      busy: false,
      working: null,
      refusal: null,
      challengeId: "c2",
    });
    expect(house.client.count("sendOtp")).toBe(how.resends ? 2 : 1);
  });

  test("cancelled, it sends nothing, and says that work is required", async () => {
    const work = new ScriptedWork();
    const { house, sending } = await asksForWork(work, how);
    const auth = await does(house, async ({ cancelWork }) => {
      cancelWork();
      await sending;
    });
    expect(auth).toMatchObject({ step, busy: false, working: null });
    expect(auth).toMatchObject({ refusal: { error: "work_required", retryAt: null } });
    if (auth.step === "code") expect(auth).toMatchObject({ over: null, challengeId: "c1" });
    await work.reaches(900);
    expect(house.seen.current.auth).toMatchObject({ working: null });
  });

  test("a device that cannot do it says so", async () => {
    const work = new ScriptedWork();
    const { house, sending } = await asksForWork(work, how);
    await work.ends(refused("work_not_done", { cancelled: false }));
    await act(() => sending);
    expect(house.seen.current.auth).toMatchObject({
      step,
      busy: false,
      working: null,
      refusal: { error: "work_not_done", message: "told: work_not_done" },
    });
  });

  test("more work is done only when the customer asks again", async () => {
    const work = new ScriptedWork();
    const { house, sending } = await asksForWork(work, how);
    await work.ends(work.required());
    await act(() => sending);
    expect(house.seen.current.auth).toMatchObject({
      step,
      busy: false,
      working: null,
      refusal: { error: "work_required" },
    });
    expect(work.begun).toBe(1);
  });

  test("it ends with the provider", async () => {
    const work = new ScriptedWork();
    const { house } = await asksForWork(work, how);
    expect(work.isCancelled).toBe(false);
    house.leave();
    expect(work.isCancelled).toBe(true);
  });

  test("it ends when the customer signs out", async () => {
    const work = new ScriptedWork();
    const { house, sending } = await asksForWork(work, how);
    await does(house, ({ signOut }) => signOut());
    expect(work.isCancelled).toBe(true);
    await act(() => sending);
    const expected = { step: "pass", busy: false, working: null, refusal: null };
    expect(house.seen.current.auth).toMatchObject(expected);
  });
});

test("without work, there is nothing to cancel", async () => {
  const house = await openWithCode();
  const before = house.seen.current.auth;
  const auth = await does(house, ({ cancelWork }) => {
    cancelWork();
  });
  expect(auth).toBe(before);
});

test("two taps make one request, and nobody leaves meanwhile", async () => {
  const house = await open();
  const { promise, release } = held<Sent>();
  house.client.sent = promise;
  const first = house.seen.current.auth;
  await act(async () => {
    void first.requestOtp("HSP-1234-5678");
    void first.requestOtp("HSP-1234-5678");
    await Promise.resolve();
  });
  expect(house.seen.current.auth).toMatchObject({ step: "pass", busy: true });
  await act(async () => {
    release(refused("network_error"));
    await promise;
  });
  expect(house.client.count("sendOtp")).toBe(1);

  house.client.sent = new Scripted().sent;
  await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  const verdict = held<SignedIn>();
  house.client.judged = verdict.promise;
  await act(async () => {
    void house.seen.current.auth.submitOtp("123456");
    await Promise.resolve();
  });
  expect(
    (
      await does(house, ({ startOver }) => {
        startOver();
      })
    ).step,
  ).toBe("code");
  await act(async () => {
    void house.seen.current.auth.submitOtp("123456");
    verdict.release({ error: null, user: USER, pass: PASS });
    await verdict.promise;
  });
  expect(house.client.count("verifyOtp")).toBe(1);
  expect(house.seen.current.auth.step).toBe("in");
});

test("back to the pass code; what belongs to another screen does nothing", async () => {
  const house = await openWithCode();
  expect((await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"))).step).toBe("code");
  expect(
    (
      await does(house, ({ startOver }) => {
        startOver();
      })
    ).step,
  ).toBe("pass");
  await does(house, ({ submitOtp }) => submitOtp("123456"));
  await does(house, ({ resendOtp }) => resendOtp());
  expect(house.client.asked.map(([name]) => name)).toEqual(["validatePass", "sendOtp"]);
});

test("tokens are restored at the start", async () => {
  const house = await open((client) => {
    client.signedIn = true;
  });
  await waitFor(() => {
    expect(house.seen.current.auth).toMatchObject({ step: "in", user: USER, pass: PASS });
  });
  expect(house.client.count("me")).toBe(1);
});

test("restored without a network: signed in still, and asked again", async () => {
  const house = await open((client) => {
    client.signedIn = true;
    client.who = refused("network_error");
  });
  await waitFor(() => {
    expect(house.seen.current.auth).toMatchObject({
      step: "in",
      busy: false,
      user: null,
      refusal: { error: "network_error" },
    });
  });
  house.client.who = new Scripted().who;
  expect(await does(house, ({ reload }) => reload())).toMatchObject({ step: "in", user: USER });
});

test.each(["token_reused", "invalid_token"] as const)(
  "%s signs out, and says why",
  async (word) => {
    const house = await open((client) => {
      client.signedIn = true;
      client.ending = word;
    });
    await waitFor(() => {
      expect(house.seen.current.auth).toMatchObject({ step: "pass", refusal: { error: word } });
    });
  },
);

test("whoever signs out waits for nothing, and stays out", async () => {
  const who = held<Me>();
  const house = await open((client) => {
    client.signedIn = true;
    client.who = who.promise;
  });
  const away = held<Revoked>();
  house.client.revoked = away.promise;
  await act(async () => {
    void house.seen.current.auth.signOut();
    await Promise.resolve();
  });
  expect(house.seen.current.auth.step).toBe("pass");
  await does(house, ({ requestOtp }) => requestOtp("HSP-1234-5678"));
  expect(house.seen.current.auth.step).toBe("code");
  await act(async () => {
    who.release({ error: null, user: USER, pass: PASS });
    away.release(refused("network_error"));
    await Promise.resolve();
  });
  expect(house.seen.current.auth.step).toBe("code");
});
