/** Whose screens they are, and whether their colours can be read. */

import { checkBrand, contrast, linkTo, PLAIN, themesOf } from "../src/brand";

test("without a brand, the colours are those of the service's pages", () => {
  expect(themesOf({ name: "Acme" })).toEqual(PLAIN);
});

test("an accent of each scheme stands in the place of ours", () => {
  const { light, dark } = themesOf({ accent: "#8a1c5b", accentDark: "#ffb3d9" });
  expect(light).toEqual({ ...PLAIN.light, accent: "#8a1c5b" });
  expect(dark).toEqual({ ...PLAIN.dark, accent: "#ffb3d9", onAccent: "#0e1117" });
});

test.each(["#8a1c5b", "#000000", "#2b4bd0", "#0b7240"])(
  "%s is made as light as dark screens need, and no lighter",
  (accent) => {
    const { dark } = themesOf({ accent });
    const stands = [dark.onAccent, dark.back, dark.card];
    const lowest = Math.min(...stands.map((other) => contrast(dark.accent, other)));
    expect(lowest).toBeGreaterThanOrEqual(4.5);
    expect(lowest).toBeLessThan(4.7);
  },
);

test.each([
  ["#ffffff", "#000000", 21],
  ["#ffffff", "#ffffff", 1],
  ["#767676", "#ffffff", 4.54],
])("the contrast of %s and %s is %d", (one, other, expected) => {
  expect(contrast(one, other)).toBeCloseTo(expected, 2);
  expect(contrast(other, one)).toBeCloseTo(expected, 2);
});

test("a brand that can be read is accepted, and so is none", () => {
  expect(() => {
    checkBrand({});
    checkBrand({
      name: "Acme",
      accent: "#8a1c5b",
      accentDark: "#ffb3d9",
      support: "help@acme.example",
      terms: "https://acme.example/terms",
      privacy: "https://acme.example/privacy?lang=en",
    });
  }).not.toThrow();
});

test.each([
  [{ accent: "#777777" }, "accent has a contrast of 4.0, but needs 4.5"],
  [{ accent: "#ffee00" }, "accent has a contrast of 1.0, but needs 4.5"],
  [{ accentDark: "#2b4bd0" }, "accentDark has a contrast of 2.4, but needs 4.5"],
  [{ accent: "red" }, "accent is not # and six hexadecimal digits"],
  [{ accent: "#12345\n6" }, "accent is not # and six hexadecimal digits"],
  [{ support: "help" }, "support is not an e-mail address, a telephone number or a URL with https"],
  [{ terms: "http://acme.example/" }, "terms is not a URL with https"],
  [{ privacy: "javascript:alert(1)" }, "privacy is not a URL with https"],
  [{ terms: "", privacy: "" }, "terms is not a URL with https; privacy is not a URL with https"],
])("%j is refused", (brand, reason) => {
  expect(() => {
    checkBrand(brand);
  }).toThrow(`brand: ${reason}`);
});

test.each([
  ["help@acme.example", "help@acme.example", "mailto:help@acme.example"],
  ["+91 22 1234-5678", "+91 22 1234-5678", "tel:+912212345678"],
  ["https://acme.example/help/", "acme.example/help", "https://acme.example/help/"],
])("a link to %s", (address, label, url) => {
  expect(linkTo(address)).toEqual({ label, url });
});

test.each(["", "help", "http://acme.example", "javascript:alert(1)", "a@b.c?bcc=d", "12"])(
  "no link to %j",
  (address) => {
    expect(linkTo(address)).toBeNull();
  },
);
