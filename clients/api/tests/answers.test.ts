/** Every answer in the service's own description becomes a value: docs/contract.md, section 5. */

import description from "../openapi.json";
import { type Client, EVERYWHERE, memoryStorage, type Operation, WORDS } from "../src";
import { Service, SIGNED_IN, json, problem } from "./service";

interface Response200 {
  content?: Record<string, { examples: Record<string, { value: Record<string, unknown> }> }>;
}

interface Described {
  operationId: string;
  responses: Record<string, Response200>;
}

const paths = description.paths as unknown as Record<string, Record<string, Described>>;

const described = Object.values(paths).flatMap((path) => Object.values(path));

/** Each refusal that the document shows, with its status. */
const shown = described.flatMap(({ operationId, responses }) =>
  Object.entries(responses).flatMap(([status, response]) =>
    Object.values(response.content ?? {})
      .flatMap(({ examples }) => Object.values(examples))
      .filter(({ value }) => typeof value["error"] === "string")
      .map(({ value }) => ({ operation: operationId, status: Number(status), value })),
  ),
);

const ask: Record<Operation, (client: Client) => Promise<{ error: string | null }>> = {
  validatePass: (client) => client.validatePass("HSP-1234-5678"),
  sendOtp: (client) => client.sendOtp("HSP-1234-5678"),
  verifyOtp: (client) => client.verifyOtp("HSP-1234-5678", "123456", "c1"),
  refreshTokens: (client) => client.refresh(),
  revokeTokens: (client) => client.revoke(),
  me: (client) => client.me(),
};

const operations = Object.keys(WORDS) as Operation[];

async function signedIn(service: Service): Promise<Client> {
  const storage = memoryStorage();
  await storage.write(JSON.stringify({ accessToken: "access-1", refreshToken: "refresh-1" }));
  return service.client({ storage });
}

test.each(operations)("%s knows the words that the document shows, and no other", (operation) => {
  const words = shown.filter((one) => one.operation === operation).map((one) => one.value["error"]);
  const own = words.filter((word) => !EVERYWHERE.some((one) => one === word));
  expect(new Set(own)).toEqual(new Set(WORDS[operation]));
});

const ours = shown.filter(({ operation }) => operations.some((one) => one === operation));

test.each(ours.map((one) => [one.operation, one.value["error"], one] as const))(
  "%s: %s",
  async (operation, word, { status, value }) => {
    const service = new Service(() => json(status, value));
    const client = await signedIn(service);
    const found = await ask[operation as Operation](client);
    expect(found).toMatchObject({ error: word, message: value["message"] });
    for (const [theirs, mine] of [
      ["retry_after_seconds", "retryAfterSeconds"],
      ["resend_in", "resendIn"],
      ["attempts_remaining", "attemptsRemaining"],
      ["work_seconds", "seconds"],
      ["live", "live"],
    ] as const) {
      if (theirs in value) expect(found).toHaveProperty(mine, value[theirs]);
    }
  },
);

test("successes", async () => {
  const service = new Service(({ path }) => {
    if (path === "/customer/validate-pass/") {
      return json(200, { valid: true, phone_masked: "***-***-3210" });
    }
    if (path === "/customer/send-otp/") {
      const sent = { sent: true, phone_masked: "***-***-3210", challenge_id: "c1" };
      return json(200, { ...sent, expires_in: 600, resend_in: 30 });
    }
    return json(200, SIGNED_IN);
  });
  const client = service.client();
  expect(await client.validatePass("hsp-1234-5678")).toEqual({
    error: null,
    phoneMasked: "***-***-3210",
  });
  expect(await client.sendOtp("HSP-1234-5678")).toEqual({
    error: null,
    phoneMasked: "***-***-3210",
    challengeId: "c1",
    expiresIn: 600,
    resendIn: 30,
  });
  const user = {
    id: "83NCwFdVFuCnoKygm8IHbw",
    email: "asha@example.com",
    firstName: "Asha",
    lastName: "Rao",
    phoneNumber: "+919876543210",
  };
  const pass = {
    passCode: "HSP-1234-5678",
    status: "active",
    planName: "Gold",
    expiresAt: "2099-12-31T00:00:00Z",
    daysUntilExpiry: 26702,
    isExpired: false,
  };
  expect(await client.isSignedIn()).toBe(false);
  expect(await client.verifyOtp("HSP-1234-5678", "123456", "c1")).toEqual({
    error: null,
    user,
    pass,
  });
  expect(await client.isSignedIn()).toBe(true);
  expect(await client.me()).toEqual({ error: null, user, pass });
  expect(service.asked.map((one) => one.body)).toEqual([
    { pass_code: "hsp-1234-5678" },
    { pass_code: "HSP-1234-5678" },
    { pass_code: "HSP-1234-5678", otp: "123456", challenge_id: "c1" },
    null,
  ]);
  expect(service.asked[3]?.headers.get("authorization")).toBe("Bearer access-1");
});

test("the language goes with every request, as it is at that moment", async () => {
  const service = new Service(() => problem(400, "invalid_format"));
  let language = "es";
  const client = service.client({ language: () => language });
  await client.validatePass("x");
  language = "hi";
  await client.validatePass("x");
  expect(service.asked.map((one) => one.headers.get("accept-language"))).toEqual(["es", "hi"]);
});

test.each([
  ["nobody answers", () => new TypeError("fetch failed")],
  ["a proxy answers", () => new Response("<h1>Bad Gateway</h1>", { status: 502 })],
  ["a hotel answers", () => new Response("<h1>Welcome</h1>", { status: 200 })],
  ["a hotel answers in JSON", () => json(200, { login: "please" })],
  ["a proxy answers in JSON", () => json(502, { message: "no backend" })],
  ["it breaks off", () => new Response('{"sent": tr', { status: 200 })],
] as const)("%s: network_error, and nothing is thrown", async (_, answer) => {
  for (const operation of operations) {
    const client = await signedIn(new Service(answer));
    expect(await ask[operation](client)).toMatchObject({
      error: "network_error",
      message: null,
    });
  }
});

test("what takes too long is given up", async () => {
  const client = new Service(() => new Promise<Response>(() => undefined)).client({
    timeoutMs: 20,
  });
  expect(await client.sendOtp("HSP-1234-5678")).toMatchObject({ error: "network_error" });
});

test("what was answered leaves no timer behind", async () => {
  jest.useFakeTimers();
  try {
    await new Service(() => problem(400, "invalid_format")).client().validatePass("x");
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test("a word of a newer service is told in its own sentence", async () => {
  const client = new Service(() => problem(400, "moon_is_full")).client();
  expect(await client.sendOtp("HSP-1234-5678")).toMatchObject({
    error: "internal_error",
    message: "told: moon_is_full",
    requestId: "r1",
  });
});

test("the wait of an answer that only its header has", async () => {
  const client = new Service(() => problem(503, "unavailable", {})).client();
  expect(await client.sendOtp("x")).toMatchObject({ retryAfterSeconds: null });
  const busy = new Service(() =>
    json(503, { error: "unavailable", message: "" }, { "Retry-After": "2" }),
  ).client();
  expect(await busy.sendOtp("x")).toMatchObject({ error: "unavailable", retryAfterSeconds: 2 });
});

test.each([
  [{}, true],
  [{ live: true }, true],
  [{ live: false }, false],
])("too soon after a code, with %j", async (members, live) => {
  const client = new Service(() => problem(429, "resend_too_soon", members)).client();
  expect(await client.sendOtp("x")).toMatchObject({ error: "resend_too_soon", live });
});

test("a lock that only an operator lifts has no wait", async () => {
  const client = new Service(() => problem(429, "locked_out")).client();
  const found = await client.sendOtp("HSP-1234-5678");
  expect(found).toMatchObject({ error: "locked_out", retryAfterSeconds: null });
});
