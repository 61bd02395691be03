/** The texts of the screens, and which language they are in. */

import type { ErrorWord } from "@hsp-otp/api";
import { createContext, type ReactNode, useContext, useMemo, useSyncExternalStore } from "react";

import catalogue from "./texts.json";

export type Tag = keyof typeof catalogue.texts;
export type TextId = keyof typeof catalogue.texts.en;

/** The languages there are, each with what it calls itself. */
export const LANGUAGES: Readonly<Record<Tag, string>> = catalogue.languages;

export const TAGS = Object.keys(LANGUAGES) as Tag[];

/** The language in use: the client asks for it at every request, the screens follow it. */
export interface Language {
  readonly tag: () => Tag;
  readonly choose: (tag: Tag) => void;
  readonly subscribe: (listener: () => void) => () => void;
}

/**
 * A language to start with.
 *
 * @param wanted - What the device wants, as `hi-IN`; English where there is no such catalogue.
 */
export function createLanguage(
  wanted: string = new Intl.DateTimeFormat().resolvedOptions().locale,
): Language {
  let now = TAGS.find((tag) => tag === wanted.toLowerCase().split("-")[0]) ?? "en";
  const listeners = new Set<() => void>();
  return {
    tag: () => now,
    choose: (tag) => {
      now = tag;
      for (const listener of [...listeners]) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

type Values = Readonly<Record<string, string | number>>;

/** The text *id*, with *values* in the place of names in braces. */
export function textIn(tag: Tag, id: TextId, values: Values = {}): string {
  return catalogue.texts[tag][id].replace(/\{(\w+)\}/g, (braces, name: string) =>
    String(values[name] ?? braces),
  );
}

/**
 * The sentence of a refusal.
 *
 * @param stands - Whether a code stands that can be entered: otherwise none is said to be on its way.
 */
export function sentenceOf(word: ErrorWord, stands = false): TextId {
  if (word === "network_error") return "page.offline";
  if (word === "resend_too_soon" && !stands) return "resend_later";
  return word === "work_not_done" ? "app.work_not_done" : word;
}

/** Seconds as people read them: 0:30, 10:00, 1:00:00. */
export function clockTime(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** The last day of what ends at an instant, in UTC as the service counts it. */
export function lastDay(tag: Tag, iso: string): string {
  const format = new Intl.DateTimeFormat(tag, { dateStyle: "long", timeZone: "UTC" });
  const midnight = iso.endsWith("T00:00:00Z");
  return format.format(new Date(iso).getTime() - (midnight ? 1 : 0));
}

export interface Speech {
  readonly tag: Tag;
  readonly choose: (tag: Tag) => void;
  readonly t: (id: TextId, values?: Values) => string;
}

const SpeechContext = createContext<Speech | null>(null);

/** Lets the screens below speak *language*. */
export function Speaking({
  language,
  children,
}: {
  readonly language: Language;
  readonly children: ReactNode;
}): ReactNode {
  const tag = useSyncExternalStore(language.subscribe, language.tag);
  const speech = useMemo<Speech>(
    () => ({ tag, choose: language.choose, t: (id, values) => textIn(tag, id, values) }),
    [language, tag],
  );
  return <SpeechContext.Provider value={speech}>{children}</SpeechContext.Provider>;
}

/** What the screens say, in the language in use. */
export function useSpeech(): Speech {
  const speech = useContext(SpeechContext);
  if (speech === null) throw new Error("this screen stands inside <SignIn>");
  return speech;
}
