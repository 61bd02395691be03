/** Who refreshes, when, and what signs out: docs/contract.md, section 5.2. */

import { type Change, type Client, memoryStorage, type TokenStorage } from "../src";
import { Service, SIGNED_IN, json, problem, tokens } from "./service";

const ME = { user: SIGNED_IN.user, pass: SIGNED_IN.pass };

async function kept(): Promise<TokenStorage> {
  const storage = memoryStorage();
  await storage.write(JSON.stringify({ accessToken: "access-1", refreshToken: "refresh-1" }));
  return storage;
}

/** Takes the newest access token alone, and rotates. */
function rotating(): Service {
  let newest = 1;
  return new Service(({ path, headers, body }) => {
    if (path === "/token/refresh/") {
      const wanted = { refresh_token: `refresh-${newest}` };
      if (JSON.stringify(body) !== JSON.stringify(wanted)) return problem(401, "token_reused");
      newest += 1;
      return tokens(newest);
    }
    const good = newest > 1 && headers.get("authorization") === `Bearer access-${newest}`;
    return good ? json(200, ME) : problem(401, "invalid_token");
  });
}

function heard(client: Client): Change[] {
  const changes: Change[] = [];
  client.onChange((change) => changes.push(change));
  return changes;
}

test("twenty calls that find the token expired make one refresh", async () => {
  const service = rotating();
  const client = service.client({ storage: await kept() });
  const found = await Promise.all(Array.from({ length: 20 }, () => client.me()));
  expect(found.map((one) => one.error)).toEqual(Array(20).fill(null));
  expect(service.count("/token/refresh/")).toBe(1);
  expect(service.count("/customer/me/")).toBe(40);
});

test("one that comes late with the old token finds the new one", async () => {
  const service = rotating();
  const storage = await kept();
  const client = service.client({ storage });
  let release: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const late = client.withToken(async (accessToken) => {
    if (accessToken === "access-1") await slow;
    return { status: accessToken === "access-2" ? 200 : 401, accessToken };
  });
  await client.me();
  release();
  expect(await late).toMatchObject({ error: null, answer: { accessToken: "access-2" } });
  expect(service.count("/token/refresh/")).toBe(1);
});

test("two clients over one storage make one refresh", async () => {
  const service = rotating();
  const storage = await kept();
  const clients = [service.client({ storage }), service.client({ storage })];
  const found = await Promise.all(clients.map((client) => client.me()));
  expect(found.map((one) => one.error)).toEqual([null, null]);
  expect(service.count("/token/refresh/")).toBe(1);
});

test("windows of a browser take turns by its lock", async () => {
  const names: string[] = [];
  const locks = {
    request: (name: string, work: () => Promise<unknown>) => {
      names.push(name);
      return work();
    },
  };
  Object.defineProperty(globalThis, "navigator", { value: { locks }, configurable: true });
  try {
    expect(
      await rotating()
        .client({ storage: await kept() })
        .me(),
    ).toMatchObject({ error: null });
  } finally {
    Reflect.deleteProperty(globalThis, "navigator");
  }
  expect(names).toEqual(["hsp-otp-tokens", "hsp-otp-storage"]);
});

test("a 400 never refreshes, nor does anything but a 401", async () => {
  for (const status of [400, 403, 429, 500, 503]) {
    const service = new Service(() => problem(status, "malformed_request"));
    const storage = await kept();
    const client = service.client({ storage });
    await client.me();
    await client.verifyOtp("HSP-1234-5678", "000000");
    await client.sendOtp("HSP-1234-5678");
    await client.validatePass("HSP-1234-5678");
    expect(service.count("/token/refresh/")).toBe(0);
    expect(await client.isSignedIn()).toBe(true);
  }
});

test("a 401 after a refresh is not refreshed again", async () => {
  const service = new Service(({ path }) =>
    path === "/token/refresh/" ? tokens(2) : problem(401, "invalid_token"),
  );
  const client = service.client({ storage: await kept() });
  expect(await client.me()).toMatchObject({ error: "invalid_token" });
  expect(service.count("/token/refresh/")).toBe(1);
  expect(service.count("/customer/me/")).toBe(2);
});

test.each(["token_reused", "invalid_token"] as const)("%s signs out, once", async (word) => {
  const service = new Service(() => problem(401, word));
  const storage = await kept();
  const client = service.client({ storage });
  const changes = heard(client);
  const found = await Promise.all([client.me(), client.me(), client.refresh()]);
  expect(found.map((one) => one.error)).toEqual([word, word, word]);
  expect(changes).toEqual([{ signedIn: false, because: word }]);
  expect(await storage.read()).toBeNull();
  expect(await client.me()).toMatchObject({ error: "invalid_token" });
  expect(service.count("/token/refresh/")).toBe(1);
});

test.each([
  ["no network", () => new TypeError("fetch failed"), "network_error"],
  ["503", () => problem(503, "unavailable"), "unavailable"],
  ["429", () => problem(429, "rate_limited"), "rate_limited"],
  ["500", () => problem(500, "internal_error"), "internal_error"],
  ["a proxy", () => new Response("", { status: 401 }), "network_error"],
] as const)("%s during a refresh does not sign out", async (_, answer, word) => {
  const service = new Service(({ path }) =>
    path === "/token/refresh/" ? answer() : problem(401, "invalid_token"),
  );
  const client = service.client({ storage: await kept() });
  const changes = heard(client);
  expect(await client.me()).toMatchObject({ error: word });
  expect(service.count("/token/refresh/")).toBe(word === "network_error" ? 2 : 1);
  expect(changes).toEqual([]);
  expect(await client.isSignedIn()).toBe(true);
});

test("a refresh whose answer was lost is tried once more with the same token", async () => {
  let lost = true;
  const service = new Service(({ path }) => {
    if (path === "/customer/me/") return lost ? problem(401, "invalid_token") : json(200, ME);
    if (!lost) return tokens(2);
    lost = false;
    return new TypeError("connection reset");
  });
  const client = service.client({ storage: await kept() });
  expect(await client.me()).toMatchObject({ error: null });
  const bodies = service.asked.filter((one) => one.path === "/token/refresh/");
  expect(bodies.map((one) => one.body)).toEqual(Array(2).fill({ refresh_token: "refresh-1" }));
});

test("whoever signs out during a refresh stays signed out", async () => {
  const storage = await kept();
  let answer: (response: Response) => void = () => undefined;
  const service = new Service(({ path }) =>
    path === "/token/refresh/"
      ? new Promise<Response>((resolve) => {
          answer = resolve;
        })
      : json(200, { success: true }),
  );
  const client = service.client({ storage });
  const refreshed = client.refresh();
  while (service.count("/token/refresh/") === 0) await new Promise(setImmediate);
  expect(await client.revoke()).toEqual({ error: null });
  answer(tokens(2));
  expect(await refreshed).toMatchObject({ error: "invalid_token" });
  expect(await storage.read()).toBeNull();
});

test("signing out is by the refresh token, and holds without a network", async () => {
  const service = new Service(() => new TypeError("fetch failed"));
  const storage = await kept();
  const client = service.client({ storage });
  const changes = heard(client);
  expect(await client.revoke()).toMatchObject({ error: "network_error" });
  expect(service.asked[0]?.body).toEqual({ refresh_token: "refresh-1" });
  expect(changes).toEqual([{ signedIn: false, because: "revoked" }]);
  expect(await storage.read()).toBeNull();
  expect(await client.revoke()).toEqual({ error: null });
});

test("a listener that has left hears nothing", async () => {
  const service = new Service(() => json(200, { success: true }));
  const client = service.client();
  const changes: Change[] = [];
  const leave = client.onChange((change) => changes.push(change));
  leave();
  await client.revoke();
  expect(changes).toEqual([]);
});

test.each(["", "{", "null", "5", '{"accessToken": 1, "refreshToken": "x"}'])(
  "a storage that holds %j holds no tokens",
  async (text) => {
    const storage = memoryStorage();
    await storage.write(text);
    const client = new Service(() => json(200, ME)).client({ storage });
    expect(await client.isSignedIn()).toBe(false);
    expect(await client.me()).toMatchObject({ error: "invalid_token" });
    expect(await client.refresh()).toMatchObject({ error: "invalid_token" });
  },
);

test("a request of one's own that fails is a network_error", async () => {
  const client = new Service(() => json(200, ME)).client({ storage: await kept() });
  const found = await client.withToken(() => Promise.reject(new TypeError("fetch failed")));
  expect(found).toMatchObject({ error: "network_error" });
});
