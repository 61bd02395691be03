// What an unmodified backend does with Twilio's SDK for Node.
//
// test_node.py starts the services, and tells about them, and about all refusals, in FACTS.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import test from "node:test";

import twilio from "twilio";

const facts = JSON.parse(process.env.FACTS);
const SHOP = facts.services.shop;
const CODE = /^\d{6}$/;

let numbers = 0;
const newNumber = () => `+9198764${String((numbers += 1)).padStart(5, "0")}`;
const newAddress = () => `person-${(numbers += 1)}@node.example.com`;
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

function open(site = "site", key = "acme", options = {}) {
  const client = twilio(facts.account, facts.keys[site][key], options);
  client.verify.baseUrl = facts.bases[site];
  return client;
}

async function json(path, init, site = "site") {
  const answer = await fetch(facts.bases[site] + path, init);
  assert.equal(answer.status, 200, path);
  return await answer.json();
}

const body = (members, key) => ({
  method: "POST",
  headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
  body: JSON.stringify(members),
});

const messages = async (number, site) =>
  (await json(`/dev/outbox/?to=${encodeURIComponent(number)}`, {}, site)).messages;

async function codeOf(number, site) {
  const [message] = await messages(number, site);
  assert.match(message.code, CODE);
  return message.code;
}

const otherThan = (code) => code.slice(0, -1) + ((Number(code.at(-1)) + 1) % 10);

/** A backend that verifies a person. */
function backend({ site = "site", key = "acme", service = "shop", ...options } = {}) {
  const { number = newNumber(), ...more } = options;
  const client = open(site, key, more);
  const context = client.verify.v2.services(facts.services[service]);
  const self = {
    client,
    number,
    context,
    first: undefined,
    sid: facts.unknown,
    async start({ to = number, channel = "sms", ...more } = {}) {
      const started = await context.verifications.create({ to, channel, ...more });
      self.first ??= started.sid;
      self.sid = started.sid;
      return started;
    },
    fail: async () => assert.equal((await refused(() => self.start())).status, 503),
    async check({ code = "right", ...more } = {}) {
      if (code === "right") code = await codeOf(number, site);
      if (code === "wrong") code = otherThan(await codeOf(number, site));
      const given = Object.keys(more).length === 0 ? { to: number } : more;
      return await context.verificationChecks.create({ code, ...given });
    },
    fetch: ({ sid = self.sid } = {}) => context.verifications(sid).fetch(),
    update: ({ status }) => context.verifications(self.sid).update({ status }),
    wait: ({ seconds }) => json("/dev/clock/", body({ advance_seconds: seconds })),
    service: () => context.fetch(),
    newService: () => client.verify.v2.services.create({ friendlyName: "Another" }),
    deleteService: () => context.remove(),
    rateLimit: () => context.rateLimits.create({ uniqueName: "user" }),
  };
  return self;
}

/** The refusal of a call, in the way that handlers of the SDK's errors know. */
async function refused(call) {
  const error = await call().then(
    () => assert.fail("it was not refused"),
    (thrown) => thrown,
  );
  assert.equal(error.constructor.name, "RestException", error.stack);
  return error;
}

/** The attributes of a class of the SDK, with the types that it declares for them. */
function declared(file, name) {
  const source = readFileSync(
    createRequire(import.meta.url).resolve(`twilio/lib/rest/verify/v2/${file}.js`).replace(/\.js$/, ".d.ts"),
    "utf8",
  );
  const [, inside] = new RegExp(`^export declare class ${name} {\n(.*?)^}$`, "ms").exec(source);
  const [before] = inside.split("private get _proxy()");
  return Object.fromEntries([...before.matchAll(/^ {4}(\w+): ([^;]+);$/gm)].map(([, at, type]) => [at, type]));
}

const CHANNELS = ["sms", "call", "email", "whatsapp", "sna"];
const IS = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  number: (value) => Number.isInteger(value),
  Date: (value) => value instanceof Date && !Number.isNaN(value.getTime()),
  any: (value) => value !== undefined,
  "Array<any>": Array.isArray,
  "Record<string, string>": (value) => Object.values(value).every((one) => typeof one === "string"),
  VerificationChannel: (value) => CHANNELS.includes(value),
  VerificationCheckChannel: (value) => CHANNELS.includes(value),
};

const NONE = ["amount", "payee", "ttsName", "defaultTemplateSid"];

function hasDeclaredTypes(instance, file, name) {
  const types = declared(file, name);
  assert.deepEqual(Object.keys(instance.toJSON()).sort(), Object.keys(types).sort());
  for (const [attribute, type] of Object.entries(types)) {
    const value = instance[attribute];
    if (NONE.includes(attribute)) assert.equal(value, null, attribute);
    else assert.ok(IS[type](value), `${attribute}: ${JSON.stringify(value)} is no ${type}`);
  }
}

test("a verification", async () => {
  const person = backend();
  const first = await person.start();
  assert.deepEqual([first.status, first.to, first.serviceSid], ["pending", person.number, SHOP]);
  await person.wait({ seconds: 31 });
  const again = await person.start();
  assert.equal(again.sid, first.sid);
  assert.equal(again.sendCodeAttempts.length, 2);
  assert.equal((await person.check({ code: "wrong" })).status, "pending");
  assert.equal((await person.fetch()).status, "pending");
  assert.equal((await person.fetch({ sid: person.number })).sid, first.sid);
  const right = await person.check();
  assert.deepEqual([right.sid, right.status, right.valid], [first.sid, "approved", true]);
  assert.equal((await first.fetch()).status, "approved");
});

test("an e-mail address", async () => {
  const person = backend({ number: newAddress() });
  const started = await person.start({ channel: "email" });
  assert.deepEqual([started.to, started.channel], [person.number, "email"]);
  assert.equal((await person.fetch({ sid: person.number })).sid, started.sid);
  assert.equal((await person.check()).status, "approved");
});

test("canceling", async () => {
  const person = backend();
  const started = await person.start();
  assert.equal((await started.update({ status: "canceled" })).status, "canceled");
  assert.equal((await refused(() => person.check())).status, 404);
});

test("services", async () => {
  const client = open();
  const listed = await client.verify.v2.services.list({ pageSize: 1 });
  assert.equal(listed.length, 3);
  assert.equal((await client.verify.v2.services(SHOP).fetch()).friendlyName, "Acme Shop");
  const error = await refused(() => open("site", "unknown").verify.v2.services.list());
  assert.deepEqual([error.status, error.code], [401, 20003]);
});

test("types", async () => {
  const person = backend();
  hasDeclaredTypes(await person.start(), "service/verification", "VerificationInstance");
  for (const code of ["wrong", "right"]) {
    const checked = await person.check({ code });
    hasDeclaredTypes(checked, "service/verificationCheck", "VerificationCheckInstance");
  }
  hasDeclaredTypes(await person.fetch(), "service/verification", "VerificationInstance");
  hasDeclaredTypes(await person.service(), "service", "ServiceInstance");
});

test("times", async () => {
  const { now } = await json("/dev/clock/", body({ advance_seconds: 0 }));
  const { dateCreated, dateUpdated } = await backend().start();
  assert.ok(Math.abs(dateCreated - new Date(now)) < 60_000);
  assert.deepEqual(dateUpdated, dateCreated);
});

test("an API key as credentials", async () => {
  const key = facts.keys.site.acme;
  for (const secret of [key, key.slice(40, 83)]) {
    const client = twilio(`SK${key.split("_")[1]}`, secret, { accountSid: facts.account });
    client.verify.baseUrl = facts.bases.site;
    assert.equal((await client.verify.v2.services(SHOP).fetch()).sid, SHOP);
  }
});

test("an HTTP client of one's own", async () => {
  const asked = [];
  class Elsewhere extends twilio.RequestClient {
    async request(options) {
      const { pathname, search } = new URL(options.uri);
      asked.push(pathname);
      options.headers["Idempotency-Key"] = "checkout-18";
      return await super.request({ ...options, uri: facts.bases.site + pathname + search });
    }
  }
  const client = twilio(facts.account, facts.keys.site.acme, { httpClient: new Elsewhere() });
  const { verifications } = client.verify.v2.services(SHOP);
  const number = newNumber();
  const start = () => verifications.create({ to: number, channel: "sms" });
  assert.equal((await start()).sid, (await start()).sid);
  assert.equal((await messages(number)).length, 1);
  assert.deepEqual(asked, Array(2).fill(`/v2/Services/${SHOP}/Verifications`));
});

/** The host that the SDK makes of one. */
async function hostOf(host, options = {}) {
  let asked;
  const request = async ({ uri }) => {
    asked = new URL(uri).hostname;
    return { statusCode: 200, body: {} };
  };
  const client = twilio(facts.account, "secret", { ...options, httpClient: { request } });
  client.verify.baseUrl = `https://${host}`;
  await client.verify.v2.services(SHOP).fetch();
  return asked;
}

test("hosts", async () => {
  for (const host of ["localhost", "otp.example.com", "a.b.example.com", "a.b.c.example.com"]) {
    assert.equal(await hostOf(host), host);
    assert.notEqual(await hostOf(host, { region: "ie1" }), host);
    assert.notEqual(await hostOf(host, { edge: "dublin" }), host);
  }
  for (const host of ["example.com", "a.b.c.d.example.com"]) {
    assert.notEqual(await hostOf(host), host);
  }
});

test("ids of accounts", () => {
  assert.throws(() => twilio("MG00", "secret"), /must start with AC/);
});

/** What a start for a number would meet, except for the seconds that have passed meanwhile. */
async function standing(number, service) {
  const key = facts.keys.site.acme;
  const found = await json("/v1/standing", body({ to: number, app: service }, key));
  const limits = found.limits.map(({ limit, remaining }) => ({ limit, remaining }));
  return { ...found, limits, next: Object.keys(found.next) };
}

for (const [name, lead, last] of [
  ["too soon", [["start", {}]], "start"],
  ["guesses used up", [["start", {}], ...Array(3).fill(["check", { code: "wrong" }])], "check"],
]) {
  test(`automatic repetitions: ${name}`, async () => {
    const person = backend({ autoRetry: true, maxRetryDelay: 20 });
    for (const [verb, given] of lead) await person[verb](given);
    let asked = 0;
    person.client.httpClient.axios.interceptors.request.use((config) => {
      asked += 1;
      return config;
    });
    const before = await standing(person.number, "shop");
    const error = await refused(() => person[last]());
    assert.deepEqual([error.status, asked], [429, 4]);
    assert.deepEqual(await standing(person.number, "shop"), before);
    assert.equal((await messages(person.number)).length, 1);
  });
}

for (const row of facts.rows) {
  test(`refusal: ${row.name}`, async () => {
    const person = backend({ site: row.site, key: row.key, service: row.service });
    const [other, mail] = [newNumber(), newAddress()];
    const step = ([verb, given]) => {
      const named = { number: person.number, other, mail, first: person.first };
      const told = Object.entries(given).map(([at, value]) => [camel(at), named[value] ?? value]);
      return person[camel(verb)](Object.fromEntries(told));
    };
    for (const one of row.steps.slice(0, -1)) await step(one);
    const error = await refused(() => step(row.steps.at(-1)));
    assert.deepEqual([error.status, error.code], [row.status, row.code]);
    for (const [member, value] of Object.entries(row.details)) assert.equal(error.details[member], value);
    assert.ok(error.details.request_id);
    assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${row.code}`);
    assert.equal(error.details.retry_after_seconds !== undefined, row.waits);
  });
}
