/** Pass codes, as people type and paste them. */

import { fold, plain } from "./code";

/** Up to eight digits, with or without what stands before and between them. */
const TYPED = /^[\s-]*(?:HSP[\s-]*)?([0-9](?:[\s-]*[0-9]){0,7})([\s-]*)$/i;

/**
 * What a field for pass codes shows for *typed*: as much of `HSP-1234-5678` as has been entered.
 *
 * Anything else stays as it is, for the service to refuse: dropping characters would hide a mistake.
 */
export function passCodeIn(typed: string): string {
  const text = fold(plain(typed));
  const found = TYPED.exec(text);
  if (found === null) return /^\s*HSP[\s-]$/i.test(text) ? "HSP-" : typed;
  const digits = (found[1] ?? "").replace(/[^0-9]/g, "");
  if (digits.length <= 4) {
    // Someone who types the dash sees it, and can also delete it.
    return `HSP-${digits}${digits.length === 4 && found[2] !== "" ? "-" : ""}`;
  }
  return `HSP-${digits.slice(0, 4)}-${digits.slice(4)}`;
}

function letters(text: string): number {
  return text.match(/[\p{L}\p{Nd}]/gu)?.length ?? 0;
}

/**
 * The place of the caret in `passCodeIn(typed)` that was at *place* in *typed*: after the same
 * letters and digits, and before a dash that follows them, so that the dash can be deleted.
 */
export function caretIn(typed: string, place: number): number {
  const shown = passCodeIn(typed);
  if (shown === typed) return place;
  if (place === typed.length) return shown.length;
  const before = letters(typed.slice(0, place)) + letters(shown) - letters(typed);
  let at = 0;
  while (letters(shown.slice(0, at)) < before) at += 1;
  return at;
}
