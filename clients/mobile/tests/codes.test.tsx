/** Finding a code in what was typed, pasted or filled in. */

import { codeIn, fold } from "../src/code";

test.each([
  ["123456", "", "123456"],
  [" 123 456\n", "", "123456"],
  ["123-456", "", "123456"],
  ["123456 is your House Service Pass code. It expires in 10 minutes.", "", "123456"],
  ["It expires in 10 minutes: 123456.", "", "123456"],
  ["@example.com #123456", "", "123456"],
  ["12123456 is your code", "12", "123456"],
  ["\u200e123\u200b456\u202c", "", "123456"],
  ["In 10 minutes at most: 123\u2011456", "", "123456"],
  ["In 10 minutes at most: 123 \u2013 456", "", "123456"],
  ["In 10 minutes at most: 123\u2212\ufe0f456", "", "123456"],
  ["12", "1", "12"],
  ["1x2", "1", "12"],
  ["1234567", "123456", "123456"],
  ["no digit at all", "", ""],
  ["१२३४५६", "", "123456"],
  ["١٢٣٤٥٦", "", "123456"],
])("%j in a field that held %j", (text, before, code) => {
  expect(codeIn(text, before, 6)).toBe(code);
});

test("as many digits as the policy has", () => {
  expect(codeIn("1234567890 is your code", "", 10)).toBe("1234567890");
});

test.each(["٠", "۰", "०", "𝟘", "0"])("digits from %s up are digits", (zero) => {
  const digits = [...Array(10).keys()].map((place) =>
    String.fromCodePoint((zero.codePointAt(0) ?? 0) + place),
  );
  expect(fold(digits.join(""))).toBe("0123456789");
});
