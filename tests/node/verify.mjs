// What another backend does with an access token or a proof, and what a forger does with one.
//
// The facts about a running server come as JSON on standard input, from drive.py. The tokens of
// forgers are put together by hand: a library would refuse to make most of them.

import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

import { createRemoteJWKSet, jwtVerify } from "jose";

const facts = JSON.parse(await text(process.stdin));
const { algorithm, origin, issuer, audience, accessToken, proof } = facts;
const isShared = algorithm === "HS256";
const key = isShared ? Buffer.from(facts.key, "base64") : crypto.createPrivateKey(facts.key);
const claims = decode(accessToken.split(".")[1]);
const header = decode(accessToken.split(".")[0]);
const now = Math.floor(Date.now() / 1000);

function decode(part) {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}

function encode(value) {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
}

const SIGN = {
  ES256: (input, by) => crypto.sign("sha256", input, { key: by, dsaEncoding: "ieee-p1363" }),
  ES384: (input, by) => crypto.sign("sha384", input, { key: by, dsaEncoding: "ieee-p1363" }),
  RS256: (input, by) => crypto.sign("sha256", input, by),
  EdDSA: (input, by) => crypto.sign(null, input, by),
  HS256: (input, by) => crypto.createHmac("sha256", by).update(input).digest(),
  HS384: (input, by) => crypto.createHmac("sha384", by).update(input).digest(),
  HS512: (input, by) => crypto.createHmac("sha512", by).update(input).digest(),
  none: () => Buffer.alloc(0),
};

// A token like the real one but for what is given; undefined leaves a member out.
function make({ head = {}, body = {}, by = key, as = algorithm, payload } = {}) {
  const input = [
    encode({ ...header, ...head }),
    encode(payload ?? { ...claims, ...body }),
  ].join(".");
  return `${input}.${SIGN[as](Buffer.from(input), by).toString("base64url")}`;
}

async function show(credentials) {
  const headers = credentials === undefined ? {} : { Authorization: credentials };
  const answer = await fetch(`${origin}/customer/me/`, { headers });
  return { answer, body: await answer.json() };
}

// Another backend

// Seconds that the clocks of two machines may be apart.
const clockTolerance = 5;
const expected = { issuer, audience, typ: "at+jwt", algorithms: [algorithm], clockTolerance };
const published = await (await fetch(`${origin}/.well-known/jwks.json`)).json();
let verifying;
if (isShared) {
  assert.deepEqual(published, { keys: [] }, "a shared secret is not published");
  verifying = key;
} else {
  assert.equal(published.keys.length, 1);
  assert.equal("d" in published.keys[0], false, "a private key is not published");
  verifying = createRemoteJWKSet(new URL(`${origin}/.well-known/jwks.json`));
}
const verified = await jwtVerify(accessToken, verifying, expected);
assert.equal(verified.payload.sub, facts.user);
assert.equal(verified.payload.token_type, "access");
assert.deepEqual(verified.payload.amr, ["otp", "sms"]);
assert.equal(verified.payload.exp - verified.payload.iat, 900);
assert.equal(verified.protectedHeader.kid, header.kid);
for (const wrong of [{ issuer: "other" }, { audience: "other" }, { typ: "JWT" }]) {
  await assert.rejects(jwtVerify(accessToken, verifying, { ...expected, ...wrong }));
}
console.log(`${algorithm}: jose verifies the access token ${isShared ? "by the secret" : "by the key set"}`);

// The backend of the next steps, with the same keys

const fromSignup = {
  issuer,
  audience: facts.proofAudience,
  typ: "proof+jwt",
  algorithms: [algorithm],
  clockTolerance,
};
const proved = await jwtVerify(proof, verifying, fromSignup);
assert.deepEqual(proved.protectedHeader, { alg: algorithm, typ: "proof+jwt", kid: header.kid });
const { iat, nbf, exp, jti, ...rest } = proved.payload;
assert.deepEqual(rest, {
  iss: issuer,
  aud: facts.proofAudience,
  sub: facts.session,
  token_type: "proof",
  purpose: "signup",
  phone_number: facts.number,
  amr: ["otp", "sms"],
});
assert.deepEqual([nbf - iat, exp - iat], [0, 600]);
assert.match(jti, /^[\w-]{22}$/);
for (const wrong of [{ issuer: "other" }, { audience }, { typ: "at+jwt" }]) {
  await assert.rejects(jwtVerify(proof, verifying, { ...fromSignup, ...wrong }));
}
// Neither is the other, by its type and by its audience, each of which would be enough.
await assert.rejects(jwtVerify(accessToken, verifying, fromSignup));
await assert.rejects(jwtVerify(accessToken, verifying, { ...fromSignup, audience }));
await assert.rejects(jwtVerify(accessToken, verifying, { ...fromSignup, typ: "at+jwt" }));
await assert.rejects(jwtVerify(proof, verifying, expected));
await assert.rejects(jwtVerify(proof, verifying, { ...expected, audience: facts.proofAudience }));
await assert.rejects(jwtVerify(proof, verifying, { ...expected, typ: "proof+jwt" }));
console.log(`${algorithm}: jose verifies the proof, and takes neither for the other`);

// The same by the code of docs/check-tokens.md, for a clock that is behind

if (!isShared) {
  const { checkAccessToken, checkProof } = await import(facts.example);
  assert.equal((await checkAccessToken(accessToken)).sub, facts.user);
  assert.equal((await checkProof(proof)).phone_number, facts.number);
  await assert.rejects(checkAccessToken(proof));
  await assert.rejects(checkProof(accessToken));
  const ahead = (seconds) => {
    const at = Math.floor(Date.now() / 1000) + seconds;
    return make({ body: { iat: at, nbf: at, exp: at + 900 } });
  };
  const early = await checkAccessToken(ahead(3));
  assert.equal(early.exp - early.iat, 900);
  await assert.rejects(checkAccessToken(ahead(60)), { code: "ERR_JWT_CLAIM_VALIDATION_FAILED" });
  await assert.rejects(checkAccessToken(ahead(-906)), { code: "ERR_JWT_EXPIRED" });
  console.log(`${algorithm}: the code of docs/check-tokens.md takes a token from 3 s ahead`);
}

// A forger's own things

const own = {
  ES256: crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  ES384: crypto.generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  RS256: crypto.generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  EdDSA: crypto.generateKeyPairSync("ed25519").privateKey,
  HS256: crypto.randomBytes(32),
};
const pair = isShared ? "ES256" : algorithm;
const ownJwk = { ...crypto.createPublicKey(own[pair]).export({ format: "jwk" }), kid: "forged", alg: pair };
const ownDer = crypto.createPublicKey(own[pair]).export({ format: "der", type: "spki" }).toString("base64");

let asked = 0;
const elsewhere = createServer((_, response) => {
  asked += 1;
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify({ keys: [ownJwk] }));
});
await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
const foreign = `http://127.0.0.1:${elsewhere.address().port}/jwks.json`;

// One thing is wrong with each of these; but for that, the server's own key has signed them.
const forgeries = {
  "no algorithm": make({ head: { alg: "none" }, as: "none" }),
  "no algorithm, in capitals": make({ head: { alg: "NONE" }, as: "none" }),
  "no algorithm over a good signature": make({ head: { alg: "none" } }),
  "an algorithm that is a number": make({ head: { alg: 256 } }),
  "an algorithm that is missing": make({ head: { alg: undefined } }),
  "ES384 by a key of one's own": make({ head: { alg: "ES384" }, as: "ES384", by: own.ES384 }),
  "RS256 by a key of one's own": make({ head: { alg: "RS256" }, as: "RS256", by: own.RS256 }),
  "HS256 by a secret of one's own": make({ head: { alg: "HS256" }, as: "HS256", by: own.HS256 }),
  "HS256 by an empty secret": make({ head: { alg: "HS256" }, as: "HS256", by: Buffer.alloc(0) }),
  "the right algorithm by a key of one's own": make({ by: own[algorithm] }),

  "an unknown kid": make({ head: { kid: "forged" } }),
  "no kid": make({ head: { kid: undefined } }),
  "a kid that is null": make({ head: { kid: null } }),
  "a kid that is a number": make({ head: { kid: 0 } }),
  "a kid that is a list": make({ head: { kid: [header.kid] } }),
  "a kid that is a path": make({
    head: { alg: "HS256", kid: "../../../../../../dev/null" }, as: "HS256", by: Buffer.alloc(0),
  }),
  "a kid that is SQL": make({
    head: { alg: "HS256", kid: "' UNION SELECT 'forged' -- " }, as: "HS256", by: Buffer.from("forged"),
  }),
  "a kid that is an address": make({ head: { kid: foreign }, by: own[pair], as: pair }),
  "a kid with control characters": make({ head: { kid: `${header.kid}\u0000\r\nSet-Cookie: a=b` } }),
  "a huge kid": make({ head: { kid: "k".repeat(2_000) } }),
  "a very huge kid": make({ head: { kid: "k".repeat(40_000) } }),

  "an embedded key": make({ head: { jwk: ownJwk, alg: pair }, by: own[pair], as: pair }),
  "an embedded key and its kid": make({ head: { jwk: ownJwk, kid: "forged", alg: pair }, by: own[pair], as: pair }),
  "a key set elsewhere": make({ head: { jku: foreign, kid: "forged", alg: pair }, by: own[pair], as: pair }),
  "a certificate elsewhere": make({ head: { x5u: foreign, kid: "forged", alg: pair }, by: own[pair], as: pair }),
  "an embedded certificate": make({ head: { x5c: [ownDer], alg: pair }, by: own[pair], as: pair }),
  "a critical header": make({ head: { crit: ["exp"] } }),
  "an unencoded payload": make({ head: { crit: ["b64"], b64: false } }),

  "the type JWT": make({ head: { typ: "JWT" } }),
  "no type": make({ head: { typ: undefined } }),
  "a type that is a list": make({ head: { typ: ["at+jwt"] } }),
  "the token type refresh": make({ body: { token_type: "refresh" } }),
  "no token type": make({ body: { token_type: undefined } }),
  "another audience": make({ body: { aud: "https://other.example" } }),
  "two audiences": make({ body: { aud: [audience, "https://other.example"] } }),
  "no audience": make({ body: { aud: undefined } }),
  "another issuer": make({ body: { iss: "https://other.example" } }),
  "an issuer that begins like ours": make({ body: { iss: `${issuer}.evil.example` } }),
  "no issuer": make({ body: { iss: undefined } }),
  "another subject": make({ body: { sub: "nobody" } }),
  "no subject": make({ body: { sub: undefined } }),
  "another family": make({ body: { sid: "AAAAAAAAAAAAAAAAAAAAAA" } }),
  "another purpose": make({ body: { purpose: "root" } }),
  "no means of proof": make({ body: { amr: undefined } }),

  "an end a hundred years away": make({ body: { exp: now + 3_155_760_000 } }),
  "an end a second too late": make({ body: { exp: claims.iat + 901 } }),
  "an end that has come": make({ body: { iat: now - 10, nbf: now - 10, exp: now } }),
  "an end before the beginning": make({ body: { exp: claims.iat - 1 } }),
  "a negative end": make({ body: { exp: -1 } }),
  "an end of 1e300": make({ body: { exp: 1e300 } }),
  "an end that is text": make({ body: { exp: String(claims.exp) } }),
  "an end in parts of a second": make({ body: { exp: claims.exp - 0.5 } }),
  "an end that is true": make({ body: { exp: true } }),
  "no end": make({ body: { exp: undefined } }),
  "issued in the future": make({ body: { iat: now + 60, exp: now + 120 } }),
  "good from the future on": make({ body: { nbf: now + 60 } }),
  "issued at some text": make({ body: { iat: "0" } }),
  "never issued": make({ body: { iat: undefined } }),

  "a changed payload": [accessToken.split(".")[0], encode({ ...claims, sub: "root" }), accessToken.split(".")[2]].join("."),
  "a changed header": [encode({ ...header, kid: header.kid, x: 1 }), ...accessToken.split(".").slice(1)].join("."),
  "a stripped signature": `${accessToken.split(".").slice(0, 2).join(".")}.`,
  "two parts": accessToken.split(".").slice(0, 2).join("."),
  "four parts": `${accessToken}.AAAA`,
  "five parts": `${accessToken}.AAAA.AAAA`,
  "a shorter signature": accessToken.slice(0, -8),
  "a signature of zeros": `${accessToken.split(".").slice(0, 2).join(".")}.${Buffer.alloc(64).toString("base64url")}`,
  "the signature of another token": [...accessToken.split(".").slice(0, 2), make({ body: { jti: "x" } }).split(".")[2]].join("."),
  "a payload that is a list": make({ payload: [claims] }),
  "a payload that is text": make({ payload: "forged" }),
  "a token within a token": make({ payload: accessToken, head: { cty: "JWT" } }),
  "the JSON form": JSON.stringify({ payload: accessToken.split(".")[1], signatures: [] }),
  "a refresh token": facts.refreshToken,
  "a proof": proof,
  "a proof by its type, the rest an access token's": make({ head: { typ: "proof+jwt" } }),
  "a proof by its token type": make({ body: { token_type: "proof" } }),
  "a proof's claims under our type": make({ payload: decode(proof.split(".")[1]) }),
  "a proof's claims for our audience": make({ payload: { ...decode(proof.split(".")[1]), aud: audience } }),
  "no token": "",
  "something else": "forged",
};

if (isShared) {
  Object.assign(forgeries, {
    "HS384 by the same secret": make({ head: { alg: "HS384" }, as: "HS384" }),
    "HS512 by the same secret": make({ head: { alg: "HS512" }, as: "HS512" }),
    "HS256 by the secret as text": make({ by: Buffer.from(facts.key.trim()) }),
    "ES256 by a key of one's own": make({ head: { alg: "ES256" }, as: "ES256", by: own.ES256 }),
  });
} else {
  const there = crypto.createPublicKey(key);
  const pem = there.export({ format: "pem", type: "spki" });
  const forms = {
    PEM: pem,
    "PEM without its last line end": pem.trimEnd(),
    DER: there.export({ format: "der", type: "spki" }),
    JWK: JSON.stringify(published.keys[0]),
    "point": Buffer.from(published.keys[0].x, "base64url"),
  };
  for (const [name, form] of Object.entries(forms)) {
    for (const as of ["HS256", "HS512"]) {
      forgeries[`${as} by the public key's ${name}`] = make({ head: { alg: as }, as, by: Buffer.from(form) });
    }
  }
  const input = accessToken.split(".").slice(0, 2).join(".");
  if (algorithm === "ES256") {
    const der = crypto.sign("sha256", Buffer.from(input), key).toString("base64url");
    forgeries["a signature in DER"] = `${input}.${der}`;
    forgeries["EdDSA by a key of one's own"] = make({ head: { alg: "EdDSA" }, as: "EdDSA", by: own.EdDSA });
  } else {
    forgeries["EdDSA by its newer name"] = make({ head: { alg: "Ed25519" } });
    forgeries["ES256 by a key of one's own"] = make({ head: { alg: "ES256" }, as: "ES256", by: own.ES256 });
  }
}

let failed = 0;
async function expect(name, credentials, right) {
  const { answer, body } = await show(credentials);
  const challenge = answer.headers.get("www-authenticate");
  const holds = right
    ? answer.status === 200 && body.user.id === facts.user
    : answer.status === 401 && challenge === 'Bearer error="invalid_token"' && body.error === "invalid_token";
  if (!holds) {
    failed += 1;
    console.log(`${algorithm}: FAILED: ${name}: ${answer.status} ${challenge} ${JSON.stringify(body)}`);
  }
}

await expect("the real token", `Bearer ${accessToken}`, true);
// What is put together by hand is good where nothing is wrong with it.
await expect("a copy", `Bearer ${make()}`, true);
for (const [name, token] of Object.entries(forgeries)) {
  await expect(name, `Bearer ${token}`, false);
}
await expect("no header", undefined, false);
await expect("another scheme", `Basic ${accessToken}`, false);
await expect("no scheme", accessToken, false);
await expect("the real token, afterwards", `Bearer ${accessToken}`, true);

elsewhere.close();
if (asked) {
  failed += 1;
  console.log(`${algorithm}: FAILED: the server fetched a key from where a token told it to`);
}
const count = Object.keys(forgeries).length;
console.log(`${algorithm}: /customer/me/ refuses ${count - failed} of ${count} forgeries`);
process.exit(failed ? 1 : 0);
