/**
 * The example's address leads to the started service; nothing else of it is replaced. This stands
 * before it among the imports: its client takes `fetch` when it is made.
 */

import { Person, PLACES } from "./services";

export const person = new Person("house", 59);

const real = globalThis.fetch;

globalThis.fetch = (input, init) => {
  const request = new Request(input, init);
  const { href, origin } = new URL(request.url);
  if (origin !== "https://otp.example.com") return real(request);
  return person.fetch(new Request(href.replace(origin, PLACES.house), request));
};
