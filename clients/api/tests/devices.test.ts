/** Which devices are known, and which code a guess is for: docs/contract.md, rules 2.11, 2.14 and 2.15. */

import { memoryStorage, type TokenStorage } from "../src";
import { type Asked, json, problem, Service, SIGNED_IN } from "./service";

const SEND = "/customer/send-otp/";
const VERIFY = "/customer/verify-otp/";
const REFRESH = "/token/refresh/";
const PASS = "HSP-1234-5678";

/** Sends codes c1, c2, …, and takes any code; each success makes a new device token. */
function lenient(): Service {
  let [sent, verified] = [0, 0];
  return new Service(({ path, body }) => {
    if (path === SEND) {
      sent += 1;
      const told = { phone_masked: "***-***-3210", expires_in: 600, resend_in: 30 };
      return json(200, { sent: true, challenge_id: `c${sent}`, ...told });
    }
    if (path === VERIFY) {
      verified += 1;
      const pass = { ...SIGNED_IN.pass, pass_code: (body as { pass_code: string }).pass_code };
      return json(200, { ...SIGNED_IN, pass, device_token: `device-${verified}` });
    }
    return json(200, { success: true });
  });
}

/** The bodies that were sent to a path. */
function bodies(service: Service, path: string): unknown[] {
  return service.asked.filter((one) => one.path === path).map(({ body }) => body);
}

async function devicesIn(storage: TokenStorage): Promise<unknown> {
  return (JSON.parse((await storage.read()) ?? "{}") as { devices?: unknown }).devices;
}

test("a device that has succeeded is known at the next send and check", async () => {
  const service = lenient();
  const client = service.client();
  await client.sendOtp(PASS);
  await client.verifyOtp(PASS, "123456");
  await client.sendOtp(PASS);
  await client.verifyOtp(PASS, "123456");
  await client.sendOtp(PASS);
  expect(bodies(service, SEND)).toEqual([
    { pass_code: PASS },
    { pass_code: PASS, device_token: "device-1" },
    { pass_code: PASS, device_token: "device-2" },
  ]);
  expect(bodies(service, VERIFY)).toEqual([
    { pass_code: PASS, otp: "123456", challenge_id: "c1" },
    { pass_code: PASS, otp: "123456", challenge_id: "c2", device_token: "device-1" },
  ]);
});

test("it stays known when the app starts again, and when the customer signs out", async () => {
  const service = lenient();
  const storage = memoryStorage();
  await service.client({ storage }).verifyOtp(PASS, "123456");
  const again = service.client({ storage });
  expect(await again.isSignedIn()).toBe(true);
  expect(await again.revoke()).toEqual({ error: null });
  expect(await again.isSignedIn()).toBe(false);
  const later = service.client({ storage });
  expect(await later.isSignedIn()).toBe(false);
  await later.sendOtp(PASS);
  expect(bodies(service, SEND)).toEqual([{ pass_code: PASS, device_token: "device-1" }]);
});

test("it stays known when the service ends the sign-in, and when tokens are exchanged", async () => {
  const service = lenient();
  const storage = memoryStorage();
  const client = service.client({ storage });
  await client.verifyOtp(PASS, "123456");
  const pair = { access_token: "access-2", refresh_token: "refresh-2" };
  service.answer = () => json(200, { ...pair, token_type: "Bearer", expires_in: 900 });
  expect(await client.refresh()).toEqual({ error: null });
  const devices = [{ passCode: PASS, token: "device-1" }];
  expect(JSON.parse((await storage.read()) ?? "")).toEqual({
    accessToken: "access-2",
    refreshToken: "refresh-2",
    devices,
  });
  service.answer = () => problem(401, "token_reused");
  expect(await client.refresh()).toMatchObject({ error: "token_reused" });
  expect(JSON.parse((await storage.read()) ?? "")).toEqual({ devices });
});

test("forgetting signs out and leaves nothing", async () => {
  const service = lenient();
  const storage = memoryStorage();
  const client = service.client({ storage });
  const changes: unknown[] = [];
  await client.sendOtp(PASS);
  await client.verifyOtp(PASS, "123456");
  await client.sendOtp(PASS);
  client.onChange((change) => changes.push(change));
  expect(await client.forget()).toEqual({ error: null });
  expect(changes).toEqual([{ signedIn: false, because: "revoked" }]);
  expect(bodies(service, "/token/revoke/")).toEqual([{ refresh_token: "refresh-1" }]);
  expect(await storage.read()).toBeNull();
  await client.verifyOtp(PASS, "123456");
  expect(bodies(service, VERIFY)[1]).toEqual({
    pass_code: PASS,
    otp: "123456",
    challenge_id: null,
  });
});

test("forgetting holds without a network, and when nobody is signed in", async () => {
  const service = lenient();
  const storage = memoryStorage();
  const client = service.client({ storage });
  await client.verifyOtp(PASS, "123456");
  await client.revoke();
  service.answer = () => new TypeError("fetch failed");
  expect(await client.forget()).toEqual({ error: null });
  expect(await storage.read()).toBeNull();
});

test("a token is for its own pass, however its code is typed", async () => {
  const service = lenient();
  const client = service.client();
  await client.verifyOtp(PASS, "123456");
  for (const typed of ["hsp-1234-5678", " HSP–1234 – 5678", "HSP-1234-5679"]) {
    await client.sendOtp(typed);
  }
  expect(bodies(service, SEND)).toEqual([
    { pass_code: "hsp-1234-5678", device_token: "device-1" },
    { pass_code: " HSP–1234 – 5678", device_token: "device-1" },
    { pass_code: "HSP-1234-5679" },
  ]);
});

test("one token for each of the latest five passes is kept", async () => {
  const service = lenient();
  const storage = memoryStorage();
  const client = service.client({ storage });
  for (const last of [1, 2, 3, 4, 5, 2, 6]) await client.verifyOtp(`HSP-0000-000${last}`, "1");
  expect(await devicesIn(storage)).toEqual([
    { passCode: "HSP-0000-0006", token: "device-7" },
    { passCode: "HSP-0000-0002", token: "device-6" },
    { passCode: "HSP-0000-0005", token: "device-5" },
    { passCode: "HSP-0000-0004", token: "device-4" },
    { passCode: "HSP-0000-0003", token: "device-3" },
  ]);
});

test("two clients that write at once lose no token", async () => {
  const service = lenient();
  const storage = memoryStorage();
  const clients = [service.client({ storage }), service.client({ storage })];
  await Promise.all(
    clients.map((client, place) => client.verifyOtp(`HSP-0000-000${place}`, "123456")),
  );
  expect(await devicesIn(storage)).toHaveLength(2);
});

test("an older service, which has no device tokens, signs in", async () => {
  const service = new Service(() => json(200, { ...SIGNED_IN, device_token: undefined }));
  const storage = memoryStorage();
  const client = service.client({ storage });
  expect(await client.verifyOtp(PASS, "123456")).toMatchObject({ error: null });
  expect(await client.isSignedIn()).toBe(true);
  expect(await devicesIn(storage)).toEqual([]);
});

test.each([
  ['{"accessToken": "a", "refreshToken": "r"}', true],
  ['{"accessToken": "a", "refreshToken": "r", "devices": {"length": 1}}', true],
  [`{"accessToken": "a", "refreshToken": "r", "devices": [null, {"passCode": "${PASS}"}]}`, true],
  ['{"devices": [7]}', false],
])("a storage that holds %s holds no device tokens", async (text, signedIn) => {
  const service = lenient();
  const storage = memoryStorage();
  await storage.write(text);
  const client = service.client({ storage });
  expect(await client.isSignedIn()).toBe(signedIn);
  await client.sendOtp(PASS);
  expect(bodies(service, SEND)).toEqual([{ pass_code: PASS }]);
});

// The challenge of a guess

function challenges(service: Service): unknown[] {
  return bodies(service, VERIFY).map((body) => (body as Record<string, unknown>)["challenge_id"]);
}

test("a guess is for the latest code of its pass, or for the one that is named", async () => {
  const service = lenient();
  const { answer } = service;
  service.answer = (asked) => (asked.path === VERIFY ? problem(400, "invalid_otp") : answer(asked));
  const client = service.client();
  await client.sendOtp(PASS);
  await client.sendOtp("HSP-0000-0001");
  await client.sendOtp("hsp-1234-5678");
  await client.verifyOtp(PASS, "000000");
  await client.verifyOtp(PASS, "000000", "mine");
  await client.verifyOtp("HSP-0000-0001", "000000");
  await client.verifyOtp("HSP-0000-0002", "000000");
  expect(challenges(service)).toEqual(["c3", "mine", "c2", null]);
});

test.each([
  ["network_error", () => new TypeError("fetch failed"), null],
  ["unavailable", () => problem(503, "unavailable"), null],
  ["internal_error", () => problem(500, "internal_error"), null],
  ["sms_failed", () => problem(400, "sms_failed", { resend_in: 0 }), null],
  ["sms_failed", () => problem(400, "sms_failed"), "c1"],
  ["resend_too_soon", () => problem(429, "resend_too_soon"), "c1"],
  ["work_required", () => problem(429, "work_required"), "c1"],
] as const)(
  "after %s, a guess is for the code that may be right",
  async (word, refuse, challenge) => {
    const service = lenient();
    const { answer } = service;
    const client = service.client();
    await client.sendOtp(PASS);
    service.answer = (asked: Asked) => (asked.path === SEND ? refuse() : answer(asked));
    expect(await client.sendOtp(PASS)).toMatchObject({ error: word });
    await client.verifyOtp(PASS, "123456");
    expect(challenges(service)).toEqual([challenge]);
    expect(service.count(REFRESH)).toBe(0);
  },
);
