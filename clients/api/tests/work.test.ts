import { pbkdf2Sync } from "node:crypto";

import { pbkdf2 } from "../src/pbkdf2";
import {
  CannotSolveError,
  SolveAbortedError,
  type Work,
  type WorkParameters,
  type WorkProgress,
  solve,
} from "../src/work";

// A busy machine takes its time; none of these tests is about speed.
jest.setTimeout(60_000);

const NONCE = "000102030405060708090a0b0c0d0e0f";
const SALT = "101112131415161718191a1b1c1d1e1f";

/** The key of a counter, by Node's own PBKDF2. */
function keyAt(counter: number, cost: number): string {
  const password = Buffer.alloc(20);
  Buffer.from(NONCE, "hex").copy(password);
  password.writeUInt32BE(counter, 16);
  return pbkdf2Sync(password, Buffer.from(SALT, "hex"), cost, 32, "sha256").toString("hex");
}

function work(counter: number, changes: Partial<WorkParameters> = {}): Work {
  const cost = changes.cost ?? 20;
  return {
    parameters: {
      algorithm: "PBKDF2/SHA-256",
      cost,
      data: { level: 1 },
      expiresAt: 1767225900,
      keyLength: 32,
      keyPrefix: keyAt(counter, cost).slice(0, 32),
      keySignature: "00",
      nonce: NONCE,
      salt: SALT,
      ...changes,
    },
    signature: "0123",
  };
}

function opened(payload: string): unknown {
  return JSON.parse(Buffer.from(payload, "base64").toString());
}

/** What *run* comes to where there is no SubtleCrypto, as on a phone. */
async function withoutSubtle<T>(run: () => Promise<T>): Promise<T> {
  const before = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  try {
    return await run();
  } finally {
    if (before) Object.defineProperty(globalThis, "crypto", before);
  }
}

const WAYS = [
  ["by SubtleCrypto", <T>(run: () => Promise<T>) => run()],
  ["in plain code", withoutSubtle],
] as const;

describe.each(WAYS)("%s", (_, way) => {
  test.each([0, 1, 7, 8, 9, 300])("counter %d is found", async (counter) => {
    const given = work(counter);
    const found = opened(await way(() => solve(given)));
    expect(found).toEqual({
      challenge: { parameters: given.parameters, signature: "0123" },
      solution: {
        counter,
        derivedKey: keyAt(counter, 20),
        time: expect.any(Number) as number,
      },
    });
  });

  test("the cost is that of the work", async () => {
    const found = opened(await way(() => solve(work(9, { cost: 2000 }))));
    expect(found).toMatchObject({ solution: { counter: 9, derivedKey: keyAt(9, 2000) } });
  });

  test("aborting ends it", async () => {
    const controller = new AbortController();
    const endless = work(0, { keyPrefix: "f".repeat(32) });
    const found = way(() => solve(endless, { signal: controller.signal }));
    setTimeout(() => {
      controller.abort();
    }, 20);
    await expect(found).rejects.toThrow(SolveAbortedError);
    await expect(found).rejects.toHaveProperty("name", "AbortError");
  });

  test("one that was aborted before does not begin", async () => {
    const controller = new AbortController();
    controller.abort();
    const found = way(() => solve(work(0), { signal: controller.signal }));
    await expect(found).rejects.toThrow(SolveAbortedError);
  });

  test.each([
    [undefined, 2000],
    [6, 6000],
  ])("progress is told against what %p seconds come to", async (seconds, expected) => {
    const controller = new AbortController();
    const told: WorkProgress[] = [];
    const endless = work(0, { keyPrefix: "f".repeat(32), data: { level: 2 } });
    const found = way(() =>
      solve(seconds === undefined ? endless : { ...endless, seconds }, {
        signal: controller.signal,
        onProgress: (progress) => {
          told.push(progress);
          if (told.length === 2) controller.abort();
        },
      }),
    );
    await expect(found).rejects.toThrow(SolveAbortedError);
    expect(told.map((one) => one.expected)).toEqual([expected, expected]);
    expect(told[1]?.done).toBeGreaterThan(told[0]?.done ?? Infinity);
  });

  test("another algorithm is not tried", async () => {
    const found = way(() => solve(work(0, { algorithm: "ARGON2ID" })));
    await expect(found).rejects.toThrow(CannotSolveError);
  });
});

test("what the service poses is solved", async () => {
  // The same as in the service's own test, which accepts the key.
  const found = await solve({
    parameters: {
      algorithm: "PBKDF2/SHA-256",
      cost: 2000,
      data: { level: 1 },
      expiresAt: 4102444800,
      keyLength: 32,
      keyPrefix: "b3441b184f3847b3ce03abb55452ebb4",
      keySignature: "9dbf253f58a3f8a97a7e233fa158d25d08f1464ce1283c72e8001e46334c0ef7",
      nonce: "12138eb144fe9dda950eeb2654740d2d",
      salt: "38a7ac64bef34f59b6b81ad733e28b82",
    },
    signature: "2c61762edd86001b2276d570e066d97c344ab886fe9b119f8afda24a294d1c69",
  });
  const derivedKey = "b3441b184f3847b3ce03abb55452ebb453136786d6fa2f95045d2349b960148d";
  expect(opened(found)).toMatchObject({ solution: { counter: 500, derivedKey } });
});

test.each([1, 2])("level %d is done in plain code", async (level) => {
  const found = await withoutSubtle(() => solve(work(3, { data: { level } })));
  expect(opened(found)).toMatchObject({ solution: { counter: 3 } });
});

test("level 3 is not done in plain code, but by SubtleCrypto", async () => {
  const given = work(3, { data: { level: 3 } });
  await expect(withoutSubtle(() => solve(given))).rejects.toThrow(CannotSolveError);
  expect(opened(await solve(given))).toMatchObject({ solution: { counter: 3 } });
});

test("plain code gives up soon where it is too slow", async () => {
  const given = { ...work(0, { cost: 2000, keyPrefix: "f".repeat(32) }), seconds: 1_000_000 };
  await expect(withoutSubtle(() => solve(given))).rejects.toThrow(CannotSolveError);
});

test("plain code derives what RFC 7914 says", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const found = Buffer.from(pbkdf2(bytes("passwd"), bytes("salt"), 1, 32)).toString("hex");
  expect(found).toBe("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
});

test.each([
  [0, 0, 1, 32],
  [64, 51, 3, 32],
  [20, 16, 5, 16],
])("plain code derives what Node does: %d, %d, %d, %d", (password, salt, iterations, length) => {
  const [key, grain] = [new Uint8Array(password).fill(0xab), new Uint8Array(salt).fill(0xcd)];
  const expected = pbkdf2Sync(key, grain, iterations, length, "sha256").toString("hex");
  expect(Buffer.from(pbkdf2(key, grain, iterations, length)).toString("hex")).toBe(expected);
});

test.each([
  [65, 16, 32],
  [20, 52, 32],
  [20, 16, 33],
])("plain code takes no more than a block: %d, %d, %d", (password, salt, length) => {
  const derive = (): unknown => pbkdf2(new Uint8Array(password), new Uint8Array(salt), 1, length);
  expect(derive).toThrow(RangeError);
});
