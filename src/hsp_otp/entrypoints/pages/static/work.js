/*
 * Solves proof of work beside the page: an ALTCHA challenge, version 2.
 *
 * It is posted {parameters, signature}, and {seconds} where the answer told how long the work takes.
 * It posts {done, expected}, counters tried and those that it takes on average (half as many again
 * at most), then {payload}; or {failed}, where the browser cannot do it. Terminating it cancels.
 */
"use strict";

(() => {
  // How many counters a second stands for (adapters/proof_of_work.py).
  const COUNTERS_PER_SECOND = 1000;
  // Several are in flight at once, so that none waits for a round trip.
  const BATCH = 8;
  const PROGRESS_MS = 100;

  function bytesOf(hex) {
    return Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
  }

  function hexOf(buffer) {
    const pairs = Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0"));
    return pairs.join("");
  }

  async function derive({ cost, keyLength }, nonce, salt, counter) {
    const password = new Uint8Array(nonce.length + 4);
    password.set(nonce);
    new DataView(password.buffer).setUint32(nonce.length, counter);
    const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
    const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: cost };
    return hexOf(await crypto.subtle.deriveBits(how, key, keyLength * 8));
  }

  async function solve({ parameters, signature, seconds }) {
    const { algorithm, keyPrefix, data } = parameters;
    if (algorithm !== "PBKDF2/SHA-256") throw new Error(`unknown algorithm ${algorithm}`);
    const [nonce, salt] = [bytesOf(parameters.nonce), bytesOf(parameters.salt)];
    const expected = (seconds || 2 ** (data.level - 1)) * COUNTERS_PER_SECOND;
    const begun = performance.now();
    let told = begun;
    for (let first = 0; ; first += BATCH) {
      const counters = Array.from({ length: BATCH }, (_, place) => first + place);
      const keys = await Promise.all(
        counters.map((counter) => derive(parameters, nonce, salt, counter)),
      );
      const place = keys.findIndex((key) => key.startsWith(keyPrefix));
      const now = performance.now();
      if (place >= 0) {
        const time = Math.round(now - begun);
        const solution = { counter: first + place, derivedKey: keys[place], time };
        return btoa(JSON.stringify({ challenge: { parameters, signature }, solution }));
      }
      if (now - told >= PROGRESS_MS) {
        told = now;
        postMessage({ done: first + BATCH, expected });
      }
    }
  }

  addEventListener("message", async ({ data }) => {
    try {
      postMessage({ payload: await solve(data) });
    } catch (error) {
      // Without https there is no SubtleCrypto.
      postMessage({ failed: String(error) });
    }
  });
})();
