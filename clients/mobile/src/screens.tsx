/** The screens of signing in, and which of them is shown. */

import type { Channel, ErrorWord } from "@hsp-otp/api";
import {
  type AskingCode,
  type AskingPass,
  type Auth,
  type CodeEnd,
  type In,
  useAuth,
  useSecondsUntil,
} from "@hsp-otp/react";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { BackHandler, Platform, StyleSheet, Text, type TextInput, View } from "react-native";

import { type Brand, checkBrand, themesOf } from "./brand";
import { CodeField } from "./code-field";
import { clockTime, lastDay, type Language, Speaking, type TextId, useSpeech } from "./language";
import {
  Button,
  Lead,
  Note,
  Refused,
  Screen,
  styles as parts,
  Title,
  unbroken,
  Warning,
  Checking,
  web,
} from "./parts";
import { PassCodeField } from "./pass-code-field";
import { LookContext, useTheme } from "./theme";

export interface SignInProps {
  readonly language: Language;
  /** Whose screens they are; `checkBrand` checks it in development. */
  readonly brand?: Brand;
  /** Digits of a code, as the service's policy has them. */
  readonly digits?: number;
  /** Whether the service has a sender of calls; then the screen for the code has a button for one. */
  readonly calls?: boolean;
  /** What is shown to whoever is signed in; a screen with user and pass where there is nothing. */
  readonly children?: ReactNode;
}

const NO_BRAND: Brand = {};

/**
 * The way in: pass code, code, signed in.
 *
 * Which screen is shown follows from how far the customer is and from nothing else. There is no
 * stack: signed in, no way leads back to the code.
 */
export function SignIn({
  language,
  brand = NO_BRAND,
  digits = 6,
  calls = false,
  children,
}: SignInProps): ReactNode {
  const auth = useAuth();
  const look = useMemo(() => {
    if (__DEV__) checkBrand(brand);
    return { brand, themes: themesOf(brand) };
  }, [brand]);
  if (auth.step === "in" && children) return children;
  return (
    <Speaking language={language}>
      <LookContext.Provider value={look}>
        <Step auth={auth} digits={digits} calls={calls} />
      </LookContext.Provider>
    </Speaking>
  );
}

function Step({
  auth,
  digits,
  calls,
}: {
  readonly auth: Auth;
  readonly digits: number;
  readonly calls: boolean;
}): ReactNode {
  switch (auth.step) {
    case "restoring":
      return <Restoring />;
    case "pass":
      return <PassScreen auth={auth} />;
    case "code":
      return <CodeScreen auth={auth} digits={digits} calls={calls} />;
    case "in":
      return <InScreen auth={auth} />;
  }
}

function Restoring(): ReactNode {
  const { t } = useSpeech();
  return (
    <Screen>
      <Lead>{t("page.working")}</Lead>
    </Screen>
  );
}

function PassScreen({ auth }: { readonly auth: Auth & AskingPass }): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const field = useRef<TextInput>(null);
  const [passCode, setPassCode] = useState("");
  const { refusal } = auth;
  const wrong = refusal !== null;
  useEffect(() => {
    if (refusal !== null) field.current?.focus();
  }, [refusal]);
  // The same pass is refused again before its wait is over; another may not be.
  const [asked, setAsked] = useState("");
  const wait = useSecondsUntil(refusal?.retryAt ?? null);
  const held = wait > 0 && passCode === asked;
  const go = (): void => {
    if (held) return;
    setAsked(passCode);
    void auth.requestOtp(passCode);
  };
  return (
    <Screen>
      <Title>{t("page.login_title")}</Title>
      <Lead>{t("page.login_lead")}</Lead>
      <PassCodeField
        field={field}
        value={passCode}
        wrong={wrong}
        onChange={setPassCode}
        onSubmit={go}
      />
      <Refused refusal={refusal} />
      <Text style={[parts.small, { color: theme.soft }]} {...web({ id: "hint" })}>
        {t("page.pass_code_hint")}
      </Text>
      <Button
        text={t("page.send_code")}
        busyText={t("page.sending")}
        kind="primary"
        busy={auth.busy}
        held={held}
        onPress={go}
      />
      <Checking working={auth.working} then={field} onCancel={auth.cancelWork} />
    </Screen>
  );
}

function CodeScreen({
  auth,
  digits,
  calls,
}: {
  readonly auth: Auth & AskingCode;
  readonly digits: number;
  readonly calls: boolean;
}): ReactNode {
  const { t } = useSpeech();
  const { attemptsRemaining, busy, challengeId, expiresAt, refusal, resendAt, startOver } = auth;
  const masked = unbroken(auth.phoneMasked);
  const life = useSecondsUntil(expiresAt);
  const wait = useSecondsUntil(resendAt);
  const unlocked = auth.over === "locked" && resendAt !== null && wait === 0;
  const ended = unlocked ? "other" : auth.over;
  const over = ended ?? (expiresAt !== null && life === 0 ? "expired" : null);
  const locked = over === "locked";
  const [sending, setSending] = useState(false);
  const [asked, setAsked] = useState<Channel>("sms"); // by which channel, the last time
  const called = asked === "voice";
  const held = refusal !== null && [resendAt, auth.callAt].includes(refusal.retryAt);

  useEffect(() => {
    if (Platform.OS !== "android") return;
    const back = BackHandler.addEventListener("hardwareBackPress", () => {
      startOver();
      return true;
    });
    return () => {
      back.remove();
    };
  }, [startOver]);

  return (
    <Screen>
      {over === null ? (
        <>
          <Title>{t("page.code_title")}</Title>
          {refusal === null && attemptsRemaining === null && expiresAt !== null ? (
            <Note key={challengeId}>
              {t(auth.channel === "voice" ? "page.called" : "page.code_sent", { masked })}
            </Note>
          ) : (
            <Lead>
              {t(auth.channel === "voice" ? "page.called_lead" : "page.code_lead", { masked })}
            </Lead>
          )}
          <CodeEntry auth={auth} digits={digits} life={life} judging={busy && !sending}>
            <Refused
              refusal={refusal}
              stands
              called={called}
              attempts={attemptsRemaining}
              waits={!held}
            />
          </CodeEntry>
        </>
      ) : (
        <>
          <Title key="ended" arrives>
            {t("page.ended_title")}
          </Title>
          {refusal?.error === "sms_failed" && over === "undelivered" ? null : (
            <Warning text={t(endOf(auth, over))} helped={locked} />
          )}
          {locked || refusal?.error === "sms_failed" ? null : (
            <Lead>{t("page.ended_lead", { masked })}</Lead>
          )}
          {refusal === null || TELLS_THE_END.has(refusal.error) ? null : (
            <Refused refusal={refusal} called={called} waits={!held} />
          )}
        </>
      )}
      {locked && resendAt === null
        ? null
        : (calls ? CHANNELS : CHANNELS.slice(0, 1)).map((channel) => (
            <Another
              key={channel}
              auth={auth}
              channel={channel}
              kind={over === null || channel === "voice" ? "quiet" : "primary"}
              sending={busy && sending && asked === channel}
              onSend={() => {
                setAsked(channel);
                setSending(true);
                const done = channel === "voice" ? auth.callInstead() : auth.resendOtp();
                void done.finally(() => {
                  setSending(false);
                });
              }}
            />
          ))}
      <Button text={t("page.other_pass")} kind="link" held={busy} onPress={startOver} />
    </Screen>
  );
}

/** Refusals that say no more than why the code is over. */
const TELLS_THE_END: ReadonlySet<ErrorWord> = new Set([
  "invalid_otp",
  "otp_expired",
  "too_many_attempts",
  "locked_out",
]);

function endOf({ wrongGuesses }: AskingCode, over: CodeEnd): TextId {
  if (over === "locked") return "locked_out";
  return over === "exhausted" && wrongGuesses === 3 ? "page.end_three_wrong" : `page.end_${over}`;
}

function CodeEntry({
  auth,
  digits,
  life,
  judging,
  children,
}: {
  readonly auth: Auth & AskingCode;
  readonly digits: number;
  /** Seconds that the code is still valid for. */
  readonly life: number;
  readonly judging: boolean;
  /** Stands below the field. */
  readonly children: ReactNode;
}): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const field = useRef<TextInput>(null);
  const [code, setCode] = useState("");
  const { busy, challengeId, expiresAt, refusal } = auth;
  const wrong = refusal?.error === "invalid_otp" || refusal?.error === "malformed_otp";

  const submit = (value: string): void => {
    void auth.submitOtp(value);
  };

  // A wrong code makes room for the next guess; what may still be right stays.
  const [judged, setJudged] = useState(refusal);
  if (judged !== refusal) {
    setJudged(refusal);
    if (wrong) setCode("");
  }
  // A newer code makes room for itself.
  const [entered, setEntered] = useState(challengeId);
  if (entered !== challengeId) {
    setEntered(challengeId);
    if (challengeId !== null) setCode("");
  }
  useEffect(() => {
    if (challengeId !== null) field.current?.focus();
  }, [challengeId]);
  useEffect(() => {
    if (wrong) field.current?.focus();
  }, [wrong, refusal]);

  return (
    <>
      <CodeField
        field={field}
        digits={digits}
        value={code}
        wrong={wrong}
        onChange={(value) => {
          if (busy) return;
          setCode(value);
          if (value.length === digits && value !== code) submit(value);
        }}
        onSubmit={() => {
          submit(code);
        }}
      />
      {children}
      <Button
        text={t("page.verify")}
        busyText={t("page.judging")}
        kind="primary"
        busy={judging}
        held={busy}
        onPress={() => {
          submit(code);
        }}
      />
      {expiresAt === null ? null : (
        <Text style={[parts.small, { color: theme.soft }]}>
          {t("page.expires_in", { time: clockTime(life) })}
        </Text>
      )}
    </>
  );
}

const CHANNELS: readonly Channel[] = ["sms", "voice"];

const ANOTHER: Readonly<Record<Channel, Record<"ask" | "wait" | "busy", TextId>>> = {
  sms: { ask: "page.resend", wait: "page.resend_wait", busy: "page.sending" },
  voice: { ask: "page.call", wait: "page.call_wait", busy: "page.calling" },
};

/** The button for another code by *channel*. */
function Another({
  auth,
  channel,
  kind,
  sending,
  onSend,
}: {
  readonly auth: Auth & AskingCode;
  readonly channel: Channel;
  readonly kind: "primary" | "quiet";
  readonly sending: boolean;
  readonly onSend: () => void;
}): ReactNode {
  const { t } = useSpeech();
  const cooled = useSecondsUntil(channel === "voice" ? auth.callAt : null);
  const wait = Math.max(useSecondsUntil(auth.resendAt), cooled);
  const texts = ANOTHER[channel];
  const button = useRef<View>(null);
  return (
    <>
      <Button
        text={wait > 0 ? t(texts.wait, { time: clockTime(wait) }) : t(texts.ask)}
        busyText={t(texts.busy)}
        kind={kind}
        button={button}
        busy={sending}
        held={auth.busy || wait > 0}
        onPress={onSend}
      />
      <Checking working={sending ? auth.working : null} then={button} onCancel={auth.cancelWork} />
    </>
  );
}

function InScreen({ auth }: { readonly auth: Auth & In }): ReactNode {
  const { tag, t } = useSpeech();
  const { user, pass } = auth;
  return (
    <Screen>
      {user === null || pass === null ? (
        <>
          <Title arrives>{t("page.signed_in")}</Title>
          <Refused refusal={auth.refusal} />
          <Button
            text={t("app.try_again")}
            kind="primary"
            busy={auth.busy}
            onPress={() => {
              void auth.reload();
            }}
          />
        </>
      ) : (
        <>
          <Title arrives>{t("page.welcome", { name: user.firstName || user.email })}</Title>
          <Note>{t("page.signed_in")}</Note>
          <View>
            <Fact name="page.pass_code" value={pass.passCode} />
            {pass.planName === "" ? null : <Fact name="page.plan" value={pass.planName} />}
            <Fact
              name="page.status"
              value={t(pass.isExpired ? "page.status_expired" : "page.status_active")}
              bad={pass.isExpired}
            />
            <Fact
              name="page.valid_until"
              value={pass.expiresAt === null ? t("page.no_end") : lastDay(tag, pass.expiresAt)}
            />
            {pass.daysUntilExpiry === null ? null : (
              <Fact name="app.days_left" value={String(pass.daysUntilExpiry)} />
            )}
            <Fact name="page.email" value={user.email} />
          </View>
          {pass.isExpired ? <Warning text={t("page.renew")} helped /> : null}
        </>
      )}
      <Button
        text={t("page.sign_out")}
        kind="quiet"
        onPress={() => {
          void auth.signOut();
        }}
      />
    </Screen>
  );
}

function Fact({
  name,
  value,
  bad = false,
}: {
  readonly name: TextId;
  readonly value: string;
  readonly bad?: boolean;
}): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  return (
    <View accessible style={[styles.fact, { borderColor: theme.line }]}>
      <Text style={[parts.text, { color: theme.soft }]}>{t(name)}</Text>
      <Text style={[parts.text, styles.value, { color: bad ? theme.bad : theme.ink }]}>
        {value}
      </Text>
    </View>
  );
}

const styles = StyleSheet.create({
  fact: {
    flexDirection: "row",
    flexWrap: "wrap",
    justifyContent: "space-between",
    columnGap: 16,
    paddingVertical: 10,
    borderBottomWidth: StyleSheet.hairlineWidth,
  },
  value: { fontWeight: "600", flexShrink: 1 },
});
