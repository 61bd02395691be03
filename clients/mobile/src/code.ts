/** Codes in what was typed, pasted or filled in. */

const DIGIT = /\p{Nd}/u;

/** Digits of any script as ASCII ones: those of a script stand together, from zero up. */
export function fold(text: string): string {
  return text.replace(/\p{Nd}/gu, (digit) => {
    if (digit <= "9") return digit;
    const found = digit.codePointAt(0) ?? 0;
    let zero = found;
    while (DIGIT.test(String.fromCodePoint(zero - 1))) zero -= 1;
    return String((found - zero) % 10);
  });
}

/** Without what nobody sees, and with every dash as one, as the service reads a code. */
export function plain(text: string): string {
  return text
    .replace(/[\p{Cf}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]/gu, "")
    .replace(/[\p{Pd}\u02d7\u2043\u207b\u208b\u2212\u2500\u2501\u2796\u30fc\uff70]/gu, "-");
}

/**
 * What a field that held *before* is to hold, now that its text is *text*.
 *
 * A whole message may have been pasted: the group of so many digits, which may stand apart, is its
 * code. Otherwise all digits count, as many as fit.
 */
export function codeIn(text: string, before: string, digits: number): string {
  const fresh = before !== "" && text.startsWith(before) ? text.slice(before.length) : text;
  const groups = fold(plain(fresh)).match(/[0-9](?:(?:\s|\s?-\s?)?[0-9])*/g) ?? [];
  const whole = groups
    .map((group) => group.replace(/[^0-9]/g, ""))
    .find((group) => group.length === digits);
  return (
    whole ??
    fold(text)
      .replace(/[^0-9]/g, "")
      .slice(0, digits)
  );
}
