/** Pass codes, as people type and paste them. */

import { caretIn, passCodeIn } from "../src/pass-code";

test.each([
  ["12345678", "HSP-1234-5678"],
  ["HSP 2000 0015", "HSP-2000-0015"],
  ["hsp20000015", "HSP-2000-0015"],
  ["hsp-2000-0015", "HSP-2000-0015"],
  ["  HSP-2000-0015\n", "HSP-2000-0015"],
  ["HSP\u20132000\u20140015", "HSP-2000-0015"],
  ["HSP \u2212 2000 \u2011 0015", "HSP-2000-0015"],
  ["HSP-\u200b2000-00\u206015", "HSP-2000-0015"],
  ["2000-0015", "HSP-2000-0015"],
  ["२०००००१५", "HSP-2000-0015"],
  ["1", "HSP-1"],
  ["HSP2", "HSP-2"],
  ["HSP ", "HSP-"],
  ["HSP-", "HSP-"],
  ["HSP-2000", "HSP-2000"],
  ["HSP-2000 ", "HSP-2000-"],
  ["HSP-2000-", "HSP-2000-"],
  ["HSP-200-", "HSP-200"],
  ["HSP-20000", "HSP-2000-0"],
])("%j is shown as %j", (typed, shown) => {
  expect(passCodeIn(typed)).toBe(shown);
  expect(passCodeIn(shown)).toBe(shown);
});

test.each([
  "",
  "H",
  "hs",
  "HSP",
  "HSP-2000-00155",
  "ABC-2000-0015",
  "h\u017fp20000015",
  "HSP-20x0",
])("%j stays as it is", (typed) => {
  expect(passCodeIn(typed)).toBe(typed);
});

test.each([
  ["1|", "HSP-1|"],
  ["HSP-20000|", "HSP-2000-0|"],
  ["HSP-2000|0015", "HSP-2000|-0015"],
  ["HSP-20900|-015", "HSP-2090-0|015"],
  ["HSP-2|-0015", "HSP-2|001-5"],
  ["HSP-9|2000-015", "HSP-9|200-0015"],
  ["|20000015", "HSP|-2000-0015"],
  ["HSP-20|x0", "HSP-20|x0"],
  ["HSP-२|००००", "HSP-2|000-0"],
])("the caret in %j", (typed, shown) => {
  const text = typed.replace("|", "");
  const at = caretIn(text, typed.indexOf("|"));
  const found = passCodeIn(text);
  expect(`${found.slice(0, at)}|${found.slice(at)}`).toBe(shown);
});
