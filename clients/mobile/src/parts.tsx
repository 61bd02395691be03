/** What the screens are made of. */

import type { ErrorWord } from "@hsp-otp/api";
import { type Refusal, useSecondsUntil, type Working } from "@hsp-otp/react";
import { type ReactNode, type Ref, type RefObject, useEffect, useRef, useState } from "react";
import {
  AccessibilityInfo,
  KeyboardAvoidingView,
  Linking,
  Platform,
  Pressable,
  ScrollView,
  StatusBar,
  StyleSheet,
  Text,
  View,
} from "react-native";

import { clockTime, LANGUAGES, sentenceOf, type Speech, TAGS, useSpeech } from "./language";
import { type Link, linkTo } from "./brand";
import { useBrand, useTheme } from "./theme";

const ON_WEB = Platform.OS === "web";

/** Attributes that react-native-web hands to the browser, and phones know nothing of. */
export function web(attributes: Readonly<Record<string, unknown>>): object {
  return ON_WEB ? attributes : {};
}

/** A masked number that is not broken at the end of a line. */
export function unbroken(masked: string): string {
  return masked.replace(/-/g, "\u2011");
}

/** A screen: whose it is, the choice of language, one column, and what is true of every code. */
export function Screen({ children }: { readonly children: ReactNode }): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  return (
    <KeyboardAvoidingView
      style={[styles.fill, { backgroundColor: theme.back }]}
      {...(Platform.OS === "ios" ? { behavior: "padding" as const } : {})}
    >
      <ScrollView
        contentContainerStyle={styles.page}
        contentInsetAdjustmentBehavior="automatic"
        keyboardShouldPersistTaps="handled"
      >
        <View role="banner" style={styles.header}>
          <Name />
          <Languages />
        </View>
        <View
          role="main"
          style={[styles.card, { backgroundColor: theme.card, borderColor: theme.line }]}
        >
          {children}
        </View>
        <View role="contentinfo">
          <Text style={[styles.safe, { color: theme.soft }]}>{t("page.safe")}</Text>
          <Links />
        </View>
      </ScrollView>
    </KeyboardAvoidingView>
  );
}

function Name(): ReactNode {
  const theme = useTheme();
  const { logo = null, name = "" } = useBrand();
  if (logo === null && name === "") return null;
  return (
    <View style={styles.brand}>
      {logo}
      {name === "" ? null : <Text style={[styles.name, { color: theme.ink }]}>{name}</Text>}
    </View>
  );
}

function useSupport(): Link | null {
  const { support } = useBrand();
  return support === undefined ? null : linkTo(support);
}

function Links(): ReactNode {
  const { t } = useSpeech();
  const { privacy, terms } = useBrand();
  const help = useSupport();
  if (help === null && terms === undefined && privacy === undefined) return null;
  return (
    <View style={styles.links}>
      {help && <Away text={`${t("page.support")}: ${help.label}`} url={help.url} />}
      {terms === undefined ? null : <Away text={t("page.terms")} url={terms} />}
      {privacy === undefined ? null : <Away text={t("page.privacy")} url={privacy} />}
    </View>
  );
}

/** Who helps with bad news, if the brand says so. */
function Support(): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const help = useSupport();
  if (help === null) return null;
  const text = t("page.contact_support", { support: help.label });
  return <Away text={text} url={help.url} ink={theme.bad} />;
}

/** A link out of the app, in the accent or in *ink*. */
function Away({
  text,
  url,
  ink,
}: {
  readonly text: string;
  readonly url: string;
  readonly ink?: string;
}): ReactNode {
  const theme = useTheme();
  return (
    <Pressable
      role="link"
      style={styles.link}
      onPress={() => {
        // A phone without an app for it stays where it is.
        if (!ON_WEB) Linking.openURL(url).catch(() => undefined);
      }}
      {...web({ href: url })}
    >
      <Text style={[styles.small, styles.underlined, { color: ink ?? theme.accent }]}>{text}</Text>
    </Pressable>
  );
}

function Languages(): ReactNode {
  const theme = useTheme();
  const { tag: now, choose, t } = useSpeech();
  return (
    <View role="navigation" aria-label={t("page.language")} style={styles.languages}>
      {TAGS.map((tag) => (
        <Pressable
          key={tag}
          role="button"
          style={styles.language}
          onPress={() => {
            choose(tag);
          }}
          {...(ON_WEB ? { "aria-current": tag === now } : { "aria-selected": tag === now })}
        >
          <Text
            style={[
              styles.choice,
              tag === now ? { color: theme.ink, fontWeight: "600" } : { color: theme.soft },
            ]}
            {...web({ lang: tag })}
          >
            {LANGUAGES[tag]}
          </Text>
        </Pressable>
      ))}
    </View>
  );
}

/**
 * What a screen is about.
 *
 * @param arrives - Whether a reader's attention goes here when it appears: where no field takes it.
 */
export function Title({
  children,
  arrives = false,
}: {
  readonly children: string;
  readonly arrives?: boolean;
}): ReactNode {
  const theme = useTheme();
  const heading = useRef<Text>(null);
  useEffect(() => {
    const found = heading.current;
    if (!arrives || found === null) return;
    if (ON_WEB) found.focus();
    else AccessibilityInfo.sendAccessibilityEvent(found, "focus");
  }, [arrives]);
  return (
    <Text
      ref={heading}
      role="heading"
      style={[styles.title, { color: theme.ink }]}
      {...web({ "aria-level": 1, tabIndex: -1 })}
    >
      {children}
    </Text>
  );
}

export function Lead({ children }: { readonly children: string }): ReactNode {
  const theme = useTheme();
  return <Text style={[styles.text, { color: theme.soft }]}>{children}</Text>;
}

/** Good news, told aloud. */
export function Note({ children }: { readonly children: string }): ReactNode {
  const theme = useTheme();
  return (
    <View style={[styles.note, { backgroundColor: theme.goodTint, borderColor: theme.good }]}>
      <Text role="status" aria-live="polite" style={[styles.small, { color: theme.good }]}>
        {children}
      </Text>
    </View>
  );
}

/**
 * What a refusal says, in the language in use.
 *
 * The service alone knows why it could not send a message: its own sentence stands until somebody
 * chooses another language.
 */
function useSentence(refusal: Refusal | null, stands: boolean, called: boolean): string | null {
  const { tag, t } = useSpeech();
  const [heard, setHeard] = useState({ refusal, tag });
  if (heard.refusal !== refusal) setHeard({ refusal, tag });
  if (refusal === null) return null;
  const unsent = refusal.error === "sms_failed";
  const own = unsent && heard.tag === tag ? refusal.message : null;
  return own ?? t(unsent && called ? "call_failed" : sentenceOf(refusal.error, stands));
}

/**
 * Bad news, told aloud. What belongs to it stands beside it: a countdown inside would be told aloud
 * every second.
 */
export function Warning({
  text,
  id,
  helped = false,
  children,
}: {
  readonly text: string;
  /** By which a field names it as its description, in a browser. */
  readonly id?: string;
  /** Whether the address of support belongs to it. */
  readonly helped?: boolean;
  readonly children?: ReactNode;
}): ReactNode {
  const theme = useTheme();
  useEffect(() => {
    // iOS has no live regions.
    if (Platform.OS === "ios") AccessibilityInfo.announceForAccessibility(text);
  }, [text]);
  return (
    <View style={[styles.note, { backgroundColor: theme.badTint, borderColor: theme.bad }]}>
      <Text
        role="alert"
        aria-live="assertive"
        style={[styles.small, { color: theme.bad }]}
        {...web({ id })}
      >
        {text}
      </Text>
      {children}
      {helped ? <Support /> : null}
    </View>
  );
}

/** Why the last request came to nothing; nothing where it came to something. */
export function Refused({
  refusal,
  stands = false,
  called = false,
  attempts = null,
  waits = true,
}: {
  readonly refusal: Refusal | null;
  /** Whether a code stands that can be entered. */
  readonly stands?: boolean;
  /** Whether a call was asked for. */
  readonly called?: boolean;
  readonly attempts?: number | null;
  readonly waits?: boolean;
}): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const seconds = useSecondsUntil(waits ? (refusal?.retryAt ?? null) : null);
  const sentence = useSentence(refusal, stands, called);
  const told = sentence === null ? null : [sentence, ...whatIsLeft(t, refusal, attempts)].join(" ");
  if (refusal === null || told === null) return null;
  return (
    <Warning text={told} id="refusal" helped={NEEDS_HELP.has(refusal.error)}>
      {seconds > 0 ? (
        <Text style={[styles.small, { color: theme.bad }]}>
          {t("page.retry_in", { time: clockTime(seconds) })}
        </Text>
      ) : null}
    </Warning>
  );
}

/** Where to go on after a wrong code, and how often. */
function whatIsLeft(t: Speech["t"], refusal: Refusal | null, attempts: number | null): string[] {
  if (refusal?.error !== "invalid_otp" || attempts === null || attempts === 0) return [];
  const left =
    attempts === 1 ? t("page.attempts_left_one") : t("page.attempts_left", { count: attempts });
  return [t("page.enter_again"), left];
}

/** Refusals that a customer cannot do anything about alone. */
const NEEDS_HELP: ReadonlySet<ErrorWord> = new Set([
  "pass_not_paid",
  "no_phone",
  "no_phone_number",
  "locked_out",
  "sms_failed",
]);

/**
 * The work that a code costs, told aloud when it begins; nothing where there is none.
 *
 * @param then - In a browser, gets the focus if the button that cancels had it.
 */
export function Checking({
  working,
  then,
  onCancel,
}: {
  readonly working: Working | null;
  readonly then: RefObject<Focusable | null>;
  readonly onCancel: () => void;
}): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const told =
    working === null
      ? null
      : working.seconds > 1
        ? t("app.checking", { seconds: working.seconds })
        : t("app.checking_one");
  useEffect(() => {
    if (told === null) return;
    if (Platform.OS === "ios") AccessibilityInfo.announceForAccessibility(told);
  }, [told]);
  useLostFocus(working === null, then);
  if (working === null) return null;
  const percent = Math.round(working.progress * 100);
  return (
    <View>
      <Text role="status" aria-live="polite" style={[styles.small, { color: theme.ink }]}>
        {told}
      </Text>
      <View
        accessible
        role="progressbar"
        aria-label={told ?? ""}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={percent}
        style={[styles.track, { backgroundColor: theme.line }]}
      >
        <View style={[styles.done, { backgroundColor: theme.accent, width: `${percent}%` }]} />
      </View>
      <Button text={t("app.cancel")} kind="link" onPress={onCancel} />
    </View>
  );
}

interface Focusable {
  focus(): void;
}

/** In a browser, focus *then* when something *ends* whose focus goes with it. */
function useLostFocus(ends: boolean, then: RefObject<Focusable | null>): void {
  const had = useRef(false);
  useEffect(() => {
    if (ends && had.current && ON_WEB && document.activeElement === document.body) {
      then.current?.focus();
    }
    had.current = !ends;
  }, [ends, then]);
}

/** A button; while it is busy or held it can still be reached, and does nothing. */
export function Button({
  text,
  busyText,
  kind,
  busy = false,
  held = false,
  button = null,
  onPress,
}: {
  readonly text: string;
  /** What it says while it is busy; "One moment…" where that is left out. */
  readonly busyText?: string;
  readonly kind: "primary" | "quiet" | "link";
  readonly busy?: boolean;
  readonly held?: boolean;
  readonly button?: Ref<View>;
  readonly onPress: () => void;
}): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const rests = busy || held;
  const plain = rests && kind !== "link";
  const ink = rests
    ? theme.soft
    : { primary: theme.onAccent, quiet: theme.ink, link: theme.accent }[kind];
  const colours = {
    backgroundColor: plain ? theme.back : kind === "primary" ? theme.accent : "transparent",
    borderColor: plain ? theme.line : kind === "quiet" ? theme.edge : "transparent",
  };
  return (
    <Pressable
      ref={button}
      role="button"
      aria-busy={busy}
      aria-disabled={rests}
      onPress={() => {
        if (!rests) onPress();
      }}
      style={[kind === "link" ? styles.link : styles.button, colours]}
    >
      <Text style={[styles.strong, kind === "link" ? styles.underlined : null, { color: ink }]}>
        {busy ? (busyText ?? t("page.working")) : text}
      </Text>
    </Pressable>
  );
}

export const styles = StyleSheet.create({
  fill: { flex: 1 },
  page: {
    flexGrow: 1,
    gap: 16,
    padding: 16,
    paddingTop: 16 + (StatusBar.currentHeight ?? 0),
    width: "100%",
    maxWidth: 464,
    alignSelf: "center",
  },
  card: { gap: 16, padding: 24, borderWidth: 1, borderRadius: 20 },
  header: {
    flexDirection: "row",
    flexWrap: "wrap",
    alignItems: "center",
    columnGap: 16,
    rowGap: 4,
  },
  brand: { flexDirection: "row", alignItems: "center", gap: 10, flexShrink: 1 },
  name: { fontSize: 16, fontWeight: "600", flexShrink: 1 },
  languages: {
    flexDirection: "row",
    flexWrap: "wrap",
    flexGrow: 1,
    justifyContent: "flex-end",
    gap: 4,
    marginHorizontal: -10,
  },
  links: { flexDirection: "row", flexWrap: "wrap", justifyContent: "center", columnGap: 20 },
  language: { minHeight: 44, justifyContent: "center", paddingHorizontal: 10 },
  choice: { fontSize: 15 },
  title: { fontSize: 26, fontWeight: "700", lineHeight: 36, outlineWidth: 0 },
  text: { fontSize: 16, lineHeight: 24 },
  label: { fontSize: 15, fontWeight: "600", marginBottom: 6 },
  field: {
    minHeight: 52,
    paddingHorizontal: 14,
    borderWidth: 1.5,
    borderRadius: 12,
    fontSize: 17,
  },
  safe: { fontSize: 14, lineHeight: 20, textAlign: "center", paddingHorizontal: 8 },
  note: {
    gap: 4,
    paddingVertical: 10,
    paddingHorizontal: 14,
    borderLeftWidth: 3,
    borderRadius: 8,
  },
  track: { height: 8, marginTop: 8, borderRadius: 4, overflow: "hidden" },
  done: { height: 8 },
  small: { fontSize: 15, lineHeight: 21, fontVariant: ["tabular-nums"] },
  strong: { fontSize: 16, fontWeight: "600", textAlign: "center" },
  underlined: { textDecorationLine: "underline" },
  button: {
    minHeight: 52,
    justifyContent: "center",
    padding: 8,
    borderWidth: 1.5,
    borderRadius: 12,
  },
  link: { minHeight: 44, alignSelf: "flex-start", justifyContent: "center" },
});
