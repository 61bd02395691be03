/** A service that answers what a test says. */

import { type Client, type ClientOptions, createClient, memoryStorage } from "../src";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Headers;
}

type Answer = Response | Error | Promise<Response>;

export const SIGNED_IN = {
  success: true,
  access_token: "access-1",
  refresh_token: "refresh-1",
  token_type: "Bearer",
  expires_in: 900,
  user: {
    id: "83NCwFdVFuCnoKygm8IHbw",
    email: "asha@example.com",
    first_name: "Asha",
    last_name: "Rao",
    phone_number: "+919876543210",
  },
  pass: {
    pass_code: "HSP-1234-5678",
    status: "active",
    plan_name: "Gold",
    expires_at: "2099-12-31T00:00:00Z",
    days_until_expiry: 26702,
    is_expired: false,
  },
  device_token: "device-1",
};

/** An answer with a JSON body. */
export function json(
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): Response {
  const type = status < 400 ? "application/json" : "application/problem+json";
  return new Response(JSON.stringify(body), {
    status,
    headers: { "Content-Type": type, ...headers },
  });
}

/** The answer with *error*. */
export function problem(status: number, error: string, more: object = {}): Response {
  return json(status, { error, message: `told: ${error}`, request_id: "r1", ...more });
}

/** The pair that follows from the so manieth refresh. */
export function tokens(place: number): Response {
  return json(200, {
    access_token: `access-${place}`,
    refresh_token: `refresh-${place}`,
    token_type: "Bearer",
    expires_in: 900,
  });
}

export class Service {
  readonly asked: Asked[] = [];

  constructor(public answer: (asked: Asked) => Answer) {}

  readonly fetch = async (request: Request): Promise<Response> => {
    const text = await request.text();
    const asked = {
      method: request.method,
      path: new URL(request.url).pathname,
      body: text === "" ? null : (JSON.parse(text) as unknown),
      headers: request.headers,
    };
    this.asked.push(asked);
    const answer = this.answer(asked);
    if (answer instanceof Error) throw answer;
    return answer;
  };

  /** How often a path was asked for. */
  count(path: string): number {
    return this.asked.filter((one) => one.path === path).length;
  }

  client(options: Partial<ClientOptions> = {}): Client {
    return createClient({
      baseUrl: "http://service.example",
      storage: memoryStorage(),
      fetch: this.fetch,
      ...options,
    });
  }
}
