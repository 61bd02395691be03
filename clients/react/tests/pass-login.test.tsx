/** An old app over the hook: its screen, and what each call returns to its context. */

import type { Sent, SignedIn } from "@hsp-otp/api";
import { act, fireEvent, render, renderHook, screen, waitFor } from "@testing-library/react-native";
import { StrictMode } from "react";

import { type PassLogin, usePassLogin } from "../src";
import { OldAuthProvider, OldLoginScreen } from "./old-app";
import { held, refused, Scripted, ScriptedWork } from "./scripted";

jest.setTimeout(30_000); // the first one loads the screens

const PASS_CODE = "HSP-1234-5678";

function open(client: Scripted): void {
  render(
    <StrictMode>
      <OldAuthProvider client={client}>
        <OldLoginScreen />
      </OldAuthProvider>
    </StrictMode>,
  );
}

function hook(client: Scripted): { readonly calls: PassLogin; readonly leave: () => void } {
  const { result, unmount } = renderHook(() => usePassLogin(client), { wrapper: StrictMode });
  return { calls: result.current, leave: unmount };
}

async function enter(label: string, text: string, button: string): Promise<void> {
  fireEvent.changeText(screen.getByLabelText(label), text);
  await press(button);
}

async function press(button: string): Promise<void> {
  await act(async () => {
    fireEvent.press(screen.getByText(button));
    await Promise.resolve();
  });
}

async function says(text: string): Promise<void> {
  await waitFor(() => {
    expect(screen.getByRole("alert")).toHaveTextContent(text);
  });
}

test("the old screen signs in", async () => {
  const client = new Scripted();
  open(client);
  await enter("Pass code", PASS_CODE, "Send OTP");
  client.judged = refused("invalid_otp", { attemptsRemaining: 2, resendIn: 12 });
  await enter("OTP", "000000", "Verify");
  await says("told: invalid_otp (2 left)");
  client.judged = new Scripted().judged;
  await enter("OTP", "123456", "Verify");
  expect(await screen.findByText("Welcome")).toBeTruthy();
  expect(client.asked).toEqual([
    ["validatePass", PASS_CODE],
    ["sendOtp", PASS_CODE],
    ["verifyOtp", PASS_CODE, "000000"],
    ["verifyOtp", PASS_CODE, "123456"],
  ]);
});

test("the old screen says why there is no code, and asks for a new one", async () => {
  const client = new Scripted();
  open(client);
  client.validated = refused("pass_not_paid");
  await enter("Pass code", PASS_CODE, "Send OTP");
  await says("told: pass_not_paid");
  expect(client.count("sendOtp")).toBe(0);
  client.validated = new Scripted().validated;
  client.sent = refused("rate_limited", { retryAfterSeconds: 60 });
  await press("Send OTP");
  await says("told: rate_limited");
  client.sent = new Scripted().sent;
  await press("Send OTP");
  client.judged = refused("too_many_attempts", { resendIn: 12 });
  await enter("OTP", "123456", "Verify");
  await says("told: too_many_attempts");
  expect(screen.getByText("Send OTP")).toBeTruthy();
});

test("the old screen has a sentence of its own where nobody answers", async () => {
  const client = new Scripted();
  client.validated = { error: "network_error", message: null, requestId: null };
  open(client);
  await enter("Pass code", PASS_CODE, "Send OTP");
  await says("Something went wrong. Please try again.");
});

test.each([
  ["invalid_otp", { attemptsRemaining: 0, resendIn: 12 }, { attemptsRemaining: 0 }],
  ["otp_expired", { resendIn: 12 }, {}],
  ["locked_out", { retryAfterSeconds: null }, {}],
])("%s is a result with these members, and no others", async (error, members, more) => {
  const client = new Scripted();
  client.judged = refused(error, members);
  const { calls } = hook(client);
  const result = await calls.submitOTP(PASS_CODE, "123456");
  expect(result).toEqual({ success: false, error, message: `told: ${error}`, ...more });
});

test("it can call instead", async () => {
  const client = new Scripted();
  const { calls } = hook(client);
  expect(await calls.requestOTP(PASS_CODE, "voice")).toEqual({ success: true });
  expect(client.asked.at(-1)).toEqual(["sendOtp", PASS_CODE, "voice"]);
});

test.each([true, false])("resend_too_soon says whether a code stands: %s", async (live) => {
  const client = new Scripted();
  client.sent = refused("resend_too_soon", { retryAfterSeconds: 12, live });
  const { calls } = hook(client);
  const message = "told: resend_too_soon";
  const result = await calls.requestOTP(PASS_CODE);
  expect(result).toEqual({ success: false, error: "resend_too_soon", message, live });
});

test("a success is nothing but that", async () => {
  const { calls } = hook(new Scripted());
  expect(await calls.requestOTP(PASS_CODE)).toEqual({ success: true });
  expect(await calls.submitOTP(PASS_CODE, "123456")).toEqual({ success: true });
});

test("the work that a code costs is done on the way", async () => {
  const client = new Scripted();
  const work = new ScriptedWork();
  client.sent = work.required();
  const { calls } = hook(client);
  const result = calls.requestOTP(PASS_CODE);
  await waitFor(() => {
    expect(work.begun).toBe(1);
  });
  await work.ends(await new Scripted().sent);
  expect(await result).toEqual({ success: true });
});

test("work ends with the component", async () => {
  const client = new Scripted();
  const work = new ScriptedWork();
  client.sent = work.required();
  const { calls, leave } = hook(client);
  const result = calls.requestOTP(PASS_CODE);
  await waitFor(() => {
    expect(work.begun).toBe(1);
  });
  leave();
  expect(work.isCancelled).toBe(true);
  const undone = { success: false, error: "work_not_done", message: "told: work_not_done" };
  expect(await result).toEqual(undone);
});

test("two taps are one request, and both get its result", async () => {
  const client = new Scripted();
  const [sent, judged] = [held<Sent>(), held<SignedIn>()];
  [client.sent, client.judged] = [sent.promise, judged.promise];
  const { calls } = hook(client);
  const asks = [calls.requestOTP(PASS_CODE), calls.requestOTP(PASS_CODE)];
  sent.release(await new Scripted().sent);
  expect(await Promise.all(asks)).toEqual([{ success: true }, { success: true }]);
  const guesses = ["123456", "123456", "654321"].map((otp) => calls.submitOTP(PASS_CODE, otp));
  judged.release(await new Scripted().judged);
  await Promise.all(guesses);
  expect([client.count("sendOtp"), client.count("verifyOtp")]).toEqual([1, 2]);
  await calls.requestOTP(PASS_CODE);
  expect(client.count("sendOtp")).toBe(2);
});

test("the calls stay the same from one rendering to the next", () => {
  const client = new Scripted();
  const { result, rerender } = renderHook(() => usePassLogin(client));
  const before = result.current;
  rerender({});
  expect(result.current).toBe(before);
});
