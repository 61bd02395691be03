/** The client against the service itself, with a gateway that plays the provider. */

import { type Change, type Client, memoryStorage } from "@hsp-otp/api";

import { gateway, kill, pause, Person, PLACES } from "./services";

const REFRESH = "POST /token/refresh/";

jest.setTimeout(40_000);

test("a sign-in: who it is, and out", async () => {
  const person = new Person();
  const client = person.client();
  expect(await client.validatePass(person.passCode.toLowerCase())).toEqual({
    error: null,
    phoneMasked: person.phoneMasked,
  });
  const sent = await client.sendOtp(person.passCode);
  expect(sent).toMatchObject({ error: null, phoneMasked: person.phoneMasked, expiresIn: 600 });
  if (sent.error !== null) throw new Error(sent.error);
  expect(sent.resendIn).toBeGreaterThan(20);
  expect(sent.resendIn).toBeLessThanOrEqual(30);
  const found = await client.verifyOtp(person.passCode, await person.code(), sent.challengeId);
  expect(found).toMatchObject({
    error: null,
    user: { firstName: "A", lastName: "B" },
    pass: { passCode: person.passCode, status: "active", planName: "Gold", expiresAt: null },
  });
  expect(await client.me()).toEqual(found);
  expect(await client.refresh()).toEqual({ error: null });
  expect(await client.me()).toEqual(found);
  expect(await client.revoke()).toEqual({ error: null });
  expect(await client.me()).toMatchObject({ error: "invalid_token" });
  expect(person.count(REFRESH)).toBe(1);
});

test("passes that are none", async () => {
  const client = new Person().client();
  expect(await client.validatePass("")).toMatchObject({ error: "pass_code_required" });
  expect(await client.validatePass("HSP-12")).toMatchObject({ error: "invalid_format" });
  expect(await client.validatePass("HSP-9999-9999")).toMatchObject({ error: "pass_not_found" });
  expect(await client.sendOtp("HSP-9999-9999")).toMatchObject({ error: "invalid_pass" });
  expect(await client.verifyOtp("", "")).toMatchObject({ error: "missing_fields" });
});

test.each([
  ["en", "We cannot find a pass with this code. Please check it."],
  ["es-MX", "No encontramos ningún pase con este código. Revíselo e inténtelo de nuevo."],
  ["hi", "इस कोड का कोई पास नहीं मिला। कृपया कोड जाँच लें।"],
])("sentences in %s", async (language, message) => {
  const client = new Person().client({ language: () => language });
  expect(await client.validatePass("HSP-9999-9999")).toMatchObject({ message });
});

test("wrong codes, and a code whose guesses are used up", async () => {
  const person = new Person();
  const client = person.client();
  await client.sendOtp(person.passCode);
  const wrong = await person.wrong();
  expect(await client.verifyOtp(person.passCode, "12")).toMatchObject({ error: "malformed_otp" });
  for (const attemptsRemaining of [2, 1, 0]) {
    const found = await client.verifyOtp(person.passCode, wrong);
    expect(found).toMatchObject({ error: "invalid_otp", attemptsRemaining });
    if (found.error !== "invalid_otp") throw new Error();
    expect(found.resendIn).toBeGreaterThan(20);
    expect(found.resendIn).toBeLessThanOrEqual(30);
  }
  const right = await client.verifyOtp(person.passCode, await person.code());
  expect(right).toMatchObject({ error: "too_many_attempts" });
  expect(await client.isSignedIn()).toBe(false);
  expect(person.count(REFRESH)).toBe(0);
});

test("a code past its end", async () => {
  const person = new Person("hasty");
  const client = person.client();
  expect(await client.sendOtp(person.passCode)).toMatchObject({ expiresIn: 5 });
  await pause(5.1);
  const found = await client.verifyOtp(person.passCode, await person.code());
  expect(found).toMatchObject({ error: "otp_expired", resendIn: 0 });
});

test("another code after the wait that was told, and not before", async () => {
  const person = new Person("hasty");
  const client = person.client();
  await client.sendOtp(person.passCode);
  let told = 5;
  for (const part of [0.5, 1]) {
    const soon = await client.sendOtp(person.passCode);
    if (soon.error !== "resend_too_soon") throw new Error(String(soon.error));
    expect(soon.retryAfterSeconds).toBeLessThanOrEqual(told);
    told = soon.retryAfterSeconds ?? 0;
    expect(told).toBeGreaterThan(0);
    await pause(told * part);
  }
  expect(await client.sendOtp(person.passCode)).toMatchObject({ error: null });
});

/** Ask for a code, and for another as soon as it may be. */
async function twoCodes(client: Client, { passCode }: Person): Promise<void> {
  for (let sends = 0; sends < 2; sends += 1) {
    const sent = await client.sendOtp(passCode);
    if (sent.error !== null) throw new Error(sent.error);
    await pause(sent.resendIn ?? 0);
  }
}

test("a number's third code costs work, which is done and sends it", async () => {
  const person = new Person("hasty");
  const client = person.client();
  await twoCodes(client, person);
  const asked = await client.sendOtp(person.passCode);
  if (asked.error !== "work_required") throw new Error(String(asked.error));
  expect(asked).toMatchObject({ kind: "work", seconds: 1 });
  expect(asked.message).toBe(
    "Several codes have been requested. Before we send another one, this device has to do a short calculation.",
  );
  const controller = new AbortController();
  controller.abort();
  const cancelled = await asked.solve({ signal: controller.signal });
  expect(cancelled).toMatchObject({ error: "work_not_done", cancelled: true });

  const before = await person.code();
  const sent = await asked.solve();
  expect(sent).toMatchObject({ error: null, phoneMasked: person.phoneMasked });
  const code = await person.code();
  expect(code).not.toBe(before);
  expect(await client.verifyOtp(person.passCode, code)).toMatchObject({ error: null });
});

test("a known device is never asked for work, and stays known when the app starts again", async () => {
  const person = new Person("hasty");
  const storage = memoryStorage();
  const stranger = person.client();
  const first = person.client({ storage });
  await person.signIn(first);
  await pause(5);
  expect(await stranger.sendOtp(person.passCode)).toMatchObject({ error: null });
  await pause(5);
  expect(await stranger.sendOtp(person.passCode)).toMatchObject({ error: "work_required" });
  expect(await first.revoke()).toEqual({ error: null });

  const again = person.client({ storage });
  await twoCodes(again, person);
  await person.signIn(again);
  expect(await again.isSignedIn()).toBe(true);

  expect(await again.forget()).toEqual({ error: null });
  expect(await storage.read()).toBeNull();
  const forgotten = await person.client({ storage }).sendOtp(person.passCode);
  expect(forgotten).toMatchObject({ error: "work_required" });
});

test("a guess is judged from another network if the client that asked for the code makes it", async () => {
  const person = new Person();
  const client = person.client();
  expect(await client.sendOtp(person.passCode)).toMatchObject({ error: null });
  const code = await person.code();
  person.moveTo("10.9.0.1");
  const stranger = await person.client().verifyOtp(person.passCode, code);
  expect(stranger).toMatchObject({ error: "otp_expired" });
  expect(await client.verifyOtp(person.passCode, code)).toMatchObject({ error: null });
});

test("one address asks too often: refused, with the rest of the hour as the wait", async () => {
  const person = new Person();
  const client = person.client();
  const others = Array.from({ length: 5 }, () => new Person());
  const began = Date.now();
  for (const { passCode } of others) {
    expect(await client.sendOtp(passCode)).toMatchObject({ error: null });
  }
  const found = await client.sendOtp(person.passCode);
  if (found.error !== "rate_limited") throw new Error(String(found.error));
  const spent = (Date.now() - began) / 1000;
  expect(found.retryAfterSeconds).toBeLessThanOrEqual(3600);
  expect(found.retryAfterSeconds).toBeGreaterThanOrEqual(Math.floor(3600 - spent));
});

test("a provider that is down", async () => {
  const person = new Person();
  const client = person.client();
  await gateway("break_down");
  try {
    const found = await client.sendOtp(person.passCode);
    expect(found).toMatchObject({ error: "sms_failed", resendIn: 0 });
  } finally {
    await gateway("accept");
  }
  const found = await client.verifyOtp(person.passCode, "123456");
  expect(found).toMatchObject({ error: "otp_expired" });
  expect(await client.sendOtp(person.passCode)).toMatchObject({ error: null });
  expect(await client.verifyOtp(person.passCode, await person.code())).toMatchObject({
    error: null,
  });
});

test("too soon for another code: it is told whether the last one is still good", async () => {
  const person = new Person();
  const client = person.client();
  await client.sendOtp(person.passCode);
  const soon = { error: "resend_too_soon", live: true };
  expect(await client.sendOtp(person.passCode)).toMatchObject(soon);
  const wrong = await person.wrong();
  for (let guess = 0; guess < 3; guess += 1) await client.verifyOtp(person.passCode, wrong);
  expect(await client.sendOtp(person.passCode)).toMatchObject({ ...soon, live: false });
});

test("a provider that takes too long for this client", async () => {
  const person = new Person();
  await gateway("hang");
  try {
    const found = await person.client({ timeoutMs: 300 }).sendOtp(person.passCode);
    expect(found).toMatchObject({ error: "network_error" });
  } finally {
    await gateway("accept");
  }
});

test("twenty calls with an expired token make one refresh", async () => {
  const person = new Person("hasty");
  const client = person.client();
  await person.signIn(client);
  await pause(4.1);
  const found = await Promise.all(Array.from({ length: 20 }, () => client.me()));
  expect(found.map(({ error }) => error)).toEqual(Array(20).fill(null));
  expect(person.count(REFRESH)).toBe(1);
});

test("two clients that share a storage make one refresh", async () => {
  const person = new Person("hasty");
  const storage = memoryStorage();
  const clients = [person.client({ storage }), person.client({ storage })];
  await person.signIn(person.client({ storage }));
  await pause(4.1);
  const found = await Promise.all(clients.flatMap((client) => [client.me(), client.me()]));
  expect(found.map(({ error }) => error)).toEqual([null, null, null, null]);
  expect(person.count(REFRESH)).toBe(1);
});

test("a refresh whose answer was lost", async () => {
  const person = new Person();
  let lost = 0;
  const fetch = async (request: Request): Promise<Response> => {
    const answer = await person.fetch(request);
    if (new URL(request.url).pathname !== "/token/refresh/" || lost > 0) return answer;
    lost += 1;
    throw new TypeError("connection reset");
  };
  const client = person.client({ fetch });
  await person.signIn(client);
  expect(await client.refresh()).toEqual({ error: null });
  expect(person.count(REFRESH)).toBe(2);
  expect(await client.refresh()).toEqual({ error: null });
  expect(await client.me()).toMatchObject({ error: null });
});

test("a refresh token used again signs out whoever uses it, and the other at the next call", async () => {
  const person = new Person();
  const [storage, stolen] = [memoryStorage(), memoryStorage()];
  const client = person.client({ storage });
  await person.signIn(client);
  await stolen.write((await storage.read()) ?? "");
  expect(await client.refresh()).toEqual({ error: null });
  expect(await client.refresh()).toEqual({ error: null });

  const changes: Change[] = [];
  const thief = person.client({ storage: stolen });
  thief.onChange((change) => changes.push(change));
  expect(await thief.refresh()).toMatchObject({ error: "token_reused" });
  expect(changes).toEqual([{ signedIn: false, because: "token_reused" }]);
  expect(await thief.isSignedIn()).toBe(false);

  client.onChange((change) => changes.push(change));
  expect(await client.me()).toMatchObject({ error: "invalid_token" });
  expect(changes[1]).toEqual({ signedIn: false, because: "invalid_token" });
  expect(await client.isSignedIn()).toBe(false);
});

test("a service that is down signs nobody out", async () => {
  const person = new Person("fragile");
  const client = person.client();
  await person.signIn(client);
  await kill();
  const changes: Change[] = [];
  client.onChange((change) => changes.push(change));
  expect(await client.validatePass(person.passCode)).toMatchObject({ error: "network_error" });
  expect(await client.sendOtp(person.passCode)).toMatchObject({ error: "network_error" });
  expect(await client.verifyOtp(person.passCode, "123456")).toMatchObject({
    error: "network_error",
  });
  expect(await client.me()).toMatchObject({ error: "network_error" });
  expect(await client.refresh()).toMatchObject({ error: "network_error" });
  expect(changes).toEqual([]);
  expect(await client.isSignedIn()).toBe(true);
});

test("in production there are no screens to try", async () => {
  expect((await fetch(`${PLACES.house}/app/`)).status).toBe(404);
});
