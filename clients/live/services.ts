/** The services that tests/clients/drive.py has started, and the people who are customers there. */

import { type Client, type ClientOptions, createClient, memoryStorage } from "@hsp-otp/api";

type Place = "house" | "hasty" | "fragile" | "control";

const told = process.env["LIVE"];
if (told === undefined) throw new Error("run it by script/test-clients, which starts the services");

export const PLACES = JSON.parse(told) as Record<Place, string>;

async function control<T>(path: string): Promise<T> {
  return (await (await fetch(`${PLACES.control}/${path}`)).json()) as T;
}

export async function gateway(act: "accept" | "break_down" | "hang"): Promise<void> {
  await control(`gateway/${act}`);
}

export async function kill(): Promise<void> {
  await control("kill/fragile");
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

let people = 1;

/** A customer with a phone; each has an address and a budget of their own. */
export class Person {
  readonly #number: number;
  readonly passCode: string;
  readonly phoneMasked: string;
  /** What was asked for, as `POST /token/refresh/`. */
  readonly asked: string[] = [];
  #address: string;

  constructor(
    readonly place: Place = "house",
    number = people++,
  ) {
    this.#number = number;
    this.#address = `10.1.0.${number}`;
    const digits = String(this.#number).padStart(8, "0");
    this.passCode = `HSP-${digits.slice(0, 4)}-${digits.slice(4)}`;
    // Numbers are counted from the front, so that neighbours are of different ranges.
    this.phoneMasked = `***-***-${Array.from(digits.slice(0, 4)).reverse().join("")}`;
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    this.asked.push(`${request.method} ${new URL(request.url).pathname}`);
    const headers = new Headers(request.headers);
    headers.set("X-Forwarded-For", this.#address);
    return fetch(new Request(request, { headers }));
  };

  client(options: Partial<ClientOptions> = {}): Client {
    const storage = memoryStorage();
    return createClient({ baseUrl: PLACES[this.place], storage, fetch: this.fetch, ...options });
  }

  /** From now on they come from another address, as when a phone leaves its Wi-Fi. */
  moveTo(address: string): void {
    this.#address = address;
  }

  /** The latest code that came to their phone. */
  async code(): Promise<string> {
    const code = await control<string | null>(`code/${this.#number}`);
    if (code === null) throw new Error("no message came");
    return code;
  }

  /** A code that did not come. */
  async wrong(): Promise<string> {
    const code = await this.code();
    return code.slice(0, -1) + String((Number(code.slice(-1)) + 1) % 10);
  }

  async signIn(client: Client): Promise<void> {
    const sent = await client.sendOtp(this.passCode);
    if (sent.error !== null) throw new Error(sent.error);
    const found = await client.verifyOtp(this.passCode, await this.code(), sent.challengeId);
    if (found.error !== null) throw new Error(found.error);
  }

  count(asked: string): number {
    return this.asked.filter((one) => one === asked).length;
  }
}
