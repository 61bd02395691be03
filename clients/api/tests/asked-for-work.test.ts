/** A code that costs work: docs/contract.md, sections 3 and 5. */

import { pbkdf2Sync } from "node:crypto";

import { type Client, type Sent, type Subtle, type WorkProgress, type WorkRequired } from "../src";
import { json, problem, Service } from "./service";

const PASS = "HSP-1234-5678";
const SENT = { sent: true, phone_masked: "***-***-3210", challenge_id: "c1", expires_in: 600 };

function keyAt(counter: number): string {
  const password = Buffer.alloc(4);
  password.writeUInt32BE(counter);
  return pbkdf2Sync(password, Buffer.from("01", "hex"), 2, 32, "sha256").toString("hex");
}

/** Work that a counter of 5 solves, or none where it is *endless*. */
function posed({
  level = 1,
  endless = false,
  ...parameters
}: Record<string, unknown> = {}): object {
  const keyPrefix = endless === true ? "f".repeat(32) : keyAt(5).slice(0, 32);
  const common = { algorithm: "PBKDF2/SHA-256", cost: 2, data: { level }, expiresAt: 1, keyPrefix };
  return {
    work: {
      parameters: {
        ...common,
        keyLength: 32,
        keySignature: "00",
        nonce: "",
        salt: "01",
        ...parameters,
      },
      signature: "signed",
    },
    work_seconds: 4,
  };
}

/** Asks for *work*, and sends a code once something is presented. */
function busy(work: object = posed()): Service {
  return new Service(({ body }) =>
    (body as { work?: string }).work === undefined
      ? problem(429, "work_required", work)
      : json(200, { ...SENT, resend_in: 30 }),
  );
}

async function refused(client: Client): Promise<WorkRequired> {
  const sent = await client.sendOtp(PASS);
  if (sent.error !== "work_required") throw new Error(String(sent.error));
  return sent;
}

test("work is a value that says how long it takes", async () => {
  const refusal = await refused(busy().client());
  expect(refusal).toMatchObject({ error: "work_required", kind: "work", seconds: 4 });
});

test("an app that knows nothing of work has a sentence to show", async () => {
  const sent = await busy().client().sendOtp(PASS);
  expect(sent.error === null ? null : sent.message).toBe("told: work_required");
});

test("solving it sends again, in the same words, and returns what came of that", async () => {
  const service = busy();
  let language = "es";
  const refusal = await refused(service.client({ language: () => language }));
  language = "hi";
  expect(await refusal.solve()).toEqual({
    error: null,
    phoneMasked: "***-***-3210",
    challengeId: "c1",
    expiresIn: 600,
    resendIn: 30,
  });
  const { work, ...rest } = service.asked[1]?.body as { work: string };
  expect(rest).toEqual({ pass_code: PASS });
  expect(JSON.parse(Buffer.from(work, "base64").toString())).toMatchObject({
    challenge: (posed() as { work: object }).work,
    solution: { counter: 5, derivedKey: keyAt(5) },
  });
});

test("work for a call is followed by a call", async () => {
  const service = busy();
  const sent = await service.client().sendOtp(PASS, "voice");
  if (sent.error !== "work_required") throw new Error(String(sent.error));
  expect(await sent.solve()).toMatchObject({ error: null });
  const called = { pass_code: PASS, channel: "voice" };
  expect(service.asked.map((one) => one.body)).toMatchObject([called, called]);
});

test("the code that work has brought is the one that a guess is for", async () => {
  const service = busy();
  const client = service.client();
  await (await refused(client)).solve();
  await client.verifyOtp(PASS, "123456");
  expect(service.asked[2]?.body).toMatchObject({ challenge_id: "c1" });
});

test("work that the service no longer takes is followed by other work", async () => {
  let asked = 0;
  const service = new Service(() => {
    asked += 1;
    return asked < 3 ? problem(429, "work_required", posed()) : json(200, SENT);
  });
  let sent: Sent = await service.client().sendOtp(PASS);
  while (sent.error === "work_required") sent = await sent.solve();
  expect(sent.error).toBeNull();
  expect(asked).toBe(3);
});

test("after a network error, what was found is sent again, and not computed again", async () => {
  const service = busy();
  const refusal = await refused(service.client());
  const { answer } = service;
  service.answer = () => new TypeError("connection reset");
  expect(await refusal.solve()).toMatchObject({ error: "network_error" });
  service.answer = answer;
  const told: WorkProgress[] = [];
  expect(await refusal.solve({ onProgress: (one) => told.push(one) })).toMatchObject({
    error: null,
  });
  expect(service.asked[2]?.body).toEqual(service.asked[1]?.body);
});

test("two taps do the work once, and send once", async () => {
  const service = busy();
  const refusal = await refused(service.client());
  const [one, other] = await Promise.all([refusal.solve(), refusal.solve()]);
  expect(one).toBe(other);
  expect(service.asked).toHaveLength(2);
});

test("cancelled work is a value, sends nothing, and can be begun again", async () => {
  const service = busy(posed({ endless: true }));
  const refusal = await refused(service.client());
  const controller = new AbortController();
  const told: WorkProgress[] = [];
  const sent = await refusal.solve({
    signal: controller.signal,
    onProgress: (progress) => {
      told.push(progress);
      controller.abort();
    },
  });
  expect(sent).toEqual({
    error: "work_not_done",
    cancelled: true,
    message: "told: work_required",
    requestId: "r1",
  });
  expect(told).toHaveLength(1);
  expect(told[0]?.expected).toBe(4000);
  expect(service.asked).toHaveLength(1);
  const again = new AbortController();
  const second = refusal.solve({ signal: again.signal });
  again.abort();
  expect(await second).toMatchObject({ error: "work_not_done", cancelled: true });
});

test("a loop over a signal that was aborted before ends", async () => {
  const refusal = await refused(busy().client());
  const controller = new AbortController();
  controller.abort();
  let sent: Sent = refusal;
  while (sent.error === "work_required") sent = await sent.solve({ signal: controller.signal });
  expect(sent).toMatchObject({ error: "work_not_done", cancelled: true });
});

test("cancelled as the last counter is found, it sends nothing", async () => {
  const controller = new AbortController();
  const subtle: Subtle = {
    importKey: () => Promise.resolve(null),
    deriveBits: () => {
      controller.abort();
      return Promise.resolve(Uint8Array.from(Buffer.from(keyAt(5), "hex")).buffer);
    },
  };
  const service = busy();
  const refusal = await refused(service.client({ subtle }));
  expect(await refusal.solve({ signal: controller.signal })).toMatchObject({ cancelled: true });
  expect(service.asked).toHaveLength(1);
});

test.each([
  ["another algorithm", posed({ algorithm: "ARGON2ID" })],
  ["no parameters", { work: { signature: "signed" }, work_seconds: 4 }],
  ["a level that is no number", posed({ data: { level: "1" } })],
  ["no salt", posed({ salt: undefined })],
  ["nothing", {}],
])("work of an unknown form is not done: %s", async (_, work) => {
  const service = busy(work);
  const refusal = await refused(service.client());
  expect(refusal.message).toBe("told: work_required");
  expect(await refusal.solve()).toMatchObject({ error: "work_not_done", cancelled: false });
  expect(service.asked).toHaveLength(1);
});

/** Node's SubtleCrypto, as an app on a phone hands another one over. */
function handedOver(): { readonly subtle: Subtle; readonly used: () => number } {
  const real = globalThis.crypto.subtle as Subtle;
  let used = 0;
  return {
    used: () => used,
    subtle: {
      importKey: (...told) => real.importKey(...told),
      deriveBits: (...told) => {
        used += 1;
        return real.deriveBits(...told);
      },
    },
  };
}

describe("where the platform has no SubtleCrypto", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "crypto");

  afterEach(() => {
    if (before) Object.defineProperty(globalThis, "crypto", before);
  });

  function leave(): void {
    Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  }

  test("heavy work is not begun", async () => {
    leave();
    const refusal = await refused(busy(posed({ level: 3 })).client());
    expect(await refusal.solve()).toMatchObject({ error: "work_not_done", cancelled: false });
  });

  test("light work is done", async () => {
    leave();
    const refusal = await refused(busy(posed({ level: 2 })).client());
    expect(await refusal.solve()).toMatchObject({ error: null });
  });

  test("what the app hands over does heavy work", async () => {
    const { subtle, used } = handedOver();
    leave();
    const refusal = await refused(busy(posed({ level: 3 })).client({ subtle }));
    expect(await refusal.solve()).toMatchObject({ error: null });
    expect(used()).toBe(8);
  });
});

test("a SubtleCrypto that fails is a device that cannot do it", async () => {
  const subtle: Subtle = {
    importKey: () => Promise.reject(new Error("not supported")),
    deriveBits: () => Promise.reject(new Error("not supported")),
  };
  const refusal = await refused(busy().client({ subtle }));
  expect(await refusal.solve()).toMatchObject({ error: "work_not_done", cancelled: false });
});
