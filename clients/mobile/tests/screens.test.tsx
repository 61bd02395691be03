/** Every state of every screen, as a phone shows it. */

import {
  EVERYWHERE,
  type Pass,
  type Sent,
  type SignedIn,
  type Validated,
  WORDS,
} from "@hsp-otp/api";
import { AuthProvider } from "@hsp-otp/react";
import { act, fireEvent, render, screen } from "@testing-library/react-native";
import {
  AccessibilityInfo,
  BackHandler,
  Linking,
  Platform,
  Text,
  useColorScheme,
} from "react-native";

import { failure } from "../../api/src/errors";
import {
  held,
  ManualClock,
  PASS,
  refused,
  Scripted,
  ScriptedWork,
  SENT,
  USER,
} from "../../react/tests/scripted";
import { type Brand, createLanguage, type Language, SignIn } from "../src";
import { sentenceOf, TAGS, type Tag, textIn } from "../src/language";

jest.mock("react-native/Libraries/Utilities/useColorScheme", () => ({
  __esModule: true,
  default: jest.fn(() => "light"),
}));

interface Phone {
  readonly client: Scripted;
  readonly clock: ManualClock;
  readonly language: Language;
}

async function start(
  prepare: (client: Scripted) => void = () => undefined,
  tag = "en",
  calls = false,
): Promise<Phone> {
  const phone = {
    client: new Scripted(),
    clock: new ManualClock(),
    language: createLanguage(tag),
  };
  prepare(phone.client);
  render(
    <AuthProvider client={phone.client} clock={phone.clock}>
      <SignIn language={phone.language} calls={calls} />
    </AuthProvider>,
  );
  await act(async () => Promise.resolve());
  return phone;
}

async function does(what: () => void): Promise<void> {
  await act(async () => {
    what();
    await Promise.resolve();
  });
}

async function press(name: string): Promise<void> {
  await does(() => {
    fireEvent.press(screen.getByRole("button", { name }));
  });
}

async function enterPass(): Promise<void> {
  fireEvent.changeText(screen.getByLabelText("Pass code"), "HSP-1234-5678");
  await press("Send the code");
}

async function startWithCode(prepare?: (client: Scripted) => void, calls = false): Promise<Phone> {
  const phone = await start(prepare, "en", calls);
  await enterPass();
  return phone;
}

function field(): ReturnType<typeof screen.getByLabelText> {
  return screen.getByLabelText("Code");
}

async function fill(text: string): Promise<void> {
  await does(() => {
    fireEvent.changeText(field(), text);
  });
}

function boxes(): string {
  const found = screen.getAllByTestId("digit", { includeHiddenElements: true });
  const texts = found.map((box) => box.children.filter((one) => typeof one === "string"));
  return texts.map((text) => text.join("") || "_").join("");
}

function title(): unknown {
  return screen.getByRole("heading").children[0];
}

beforeAll(() => {
  jest.spyOn(AccessibilityInfo, "sendAccessibilityEvent").mockImplementation(() => undefined);
});

// The pass code

test("it begins with the pass code", async () => {
  await start();
  expect(title()).toBe("Sign in");
  const input = screen.getByLabelText("Pass code");
  expect(input.props).toMatchObject({ autoCapitalize: "characters", autoCorrect: false });
  expect(screen.getByText("It looks like HSP-1234-5678.")).toBeOnTheScreen();
  expect(screen.getByText(/We never ask for it by phone/)).toBeOnTheScreen();
  expect(screen.getByRole("button", { name: "Send the code" })).toBeEnabled();
  expect(screen.queryByRole("alert")).toBeNull();
});

test("while the storage is read, nothing can be done", () => {
  const client = new Scripted();
  client.isSignedIn = () => new Promise(() => undefined);
  render(
    <AuthProvider client={client} clock={new ManualClock()}>
      <SignIn language={createLanguage("en")} />
    </AuthProvider>,
  );
  expect(screen.getByText("One moment…")).toBeOnTheScreen();
  expect(screen.queryByLabelText("Pass code")).toBeNull();
});

test("while it is looked up, the button is busy", async () => {
  const { promise, release } = held<Validated>();
  const { client } = await start((scripted) => {
    scripted.validated = promise;
  });
  await enterPass();
  const button = screen.getByRole("button", { name: "Sending…" });
  expect(button).toBeBusy();
  expect(button).toBeDisabled();
  await press("Sending…");
  expect(client.count("validatePass")).toBe(1);
  await does(() => {
    release(refused("pass_not_found"));
  });
  expect(screen.getByRole("button", { name: "Send the code" })).toBeEnabled();
});

test("the keyboard's own key goes on too", async () => {
  const { client } = await start();
  const input = screen.getByLabelText("Pass code");
  fireEvent.changeText(input, "hsp-1");
  await does(() => {
    fireEvent(input, "submitEditing");
  });
  expect(client.asked[0]).toEqual(["validatePass", "HSP-1"]);
});

test.each(["12345678", "HSP 1234 5678", "hsp12345678", "HSP\u20131234\u20145678"])(
  "a pass code that is entered as %s is shown and sent as the pass has it",
  async (typed) => {
    const { client } = await start();
    fireEvent.changeText(screen.getByLabelText("Pass code"), typed);
    expect(screen.getByLabelText("Pass code")).toHaveProp("value", "HSP-1234-5678");
    await press("Send the code");
    expect(client.asked[0]).toEqual(["validatePass", "HSP-1234-5678"]);
  },
);

test("the caret stays where it was when the pass code is formatted", async () => {
  await start();
  const input = screen.getByLabelText("Pass code");
  const select = (start: number): void => {
    fireEvent(input, "selectionChange", { nativeEvent: { selection: { start, end: start } } });
  };
  fireEvent.changeText(input, "HSP-1234-567");
  expect(input).not.toHaveProp("selection");
  select(6);
  fireEvent.changeText(input, "HSP-12934-567");
  expect(input).toHaveProp("value", "HSP-1293-4567");
  expect(input).toHaveProp("selection", { start: 7, end: 7 });
  select(7);
  expect(input).not.toHaveProp("selection");
  fireEvent.changeText(input, "HSP-1293x-4567");
  expect(input).toHaveProp("value", "HSP-1293x-4567");
  expect(input).not.toHaveProp("selection");
});

// What goes wrong

const spoken = TAGS.flatMap((tag) =>
  [...new Set([...WORDS.validatePass, ...WORDS.sendOtp, ...EVERYWHERE])].map(
    (word) => [tag, word] as const,
  ),
);

test.each(spoken)("%s: %s is told at the pass code", async (tag, word) => {
  await start((client) => {
    client.validated = failure(word) as Validated;
  }, tag);
  await press(textIn(tag, "page.send_code"));
  const alert = screen.getByRole("alert");
  expect(alert).toHaveTextContent(textIn(tag, sentenceOf(word)));
  expect(alert.props["aria-live"] ?? alert.props["accessibilityLiveRegion"]).toBe("assertive");
});

test("a refusal with a wait counts down, beside what is told aloud", async () => {
  const { client, clock } = await start((scripted) => {
    scripted.sent = refused("phone_rate_limited", { retryAfterSeconds: 3661 });
  });
  await enterPass();
  expect(screen.getByText("You can try again in 1:01:01.")).toBeOnTheScreen();
  expect(screen.getByRole("alert")).toHaveTextContent(
    "Too many codes were sent to this phone number. Please try again later.",
  );
  expect(screen.getByRole("button", { name: "Send the code" })).toBeDisabled();
  fireEvent.changeText(screen.getByLabelText("Pass code"), "HSP-1234-5679");
  expect(screen.getByRole("button", { name: "Send the code" })).toBeEnabled();
  fireEvent.changeText(screen.getByLabelText("Pass code"), "HSP-1234-5678");
  await clock.advance(3660);
  expect(screen.getByText("You can try again in 0:01.")).toBeOnTheScreen();
  fireEvent(screen.getByLabelText("Pass code"), "submitEditing");
  expect(client.count("sendOtp")).toBe(1);
  await clock.advance(1);
  expect(screen.queryByText(/You can try again/)).toBeNull();
  expect(screen.getByRole("button", { name: "Send the code" })).toBeEnabled();
});

test("iOS, which has no live regions, is told by an announcement", async () => {
  const told = jest.spyOn(AccessibilityInfo, "announceForAccessibility");
  await start((client) => {
    client.validated = refused("pass_not_paid");
  });
  await enterPass();
  expect(told).toHaveBeenCalledWith(textIn("en", "pass_not_paid"));
  told.mockRestore();
});

// The code

test("the code is one field, for a numeric keyboard and for the message", async () => {
  await startWithCode();
  expect(title()).toBe("Enter the code");
  expect(screen.getByRole("status")).toHaveTextContent("We sent a code to ***‑***‑3210.");
  expect(field().props).toMatchObject({
    textContentType: "oneTimeCode",
    autoComplete: "sms-otp",
    inputMode: "numeric",
    autoFocus: true,
  });
  expect(field().props["maxLength"]).toBeUndefined();
  expect(boxes()).toBe("______");
  expect(screen.queryAllByTestId("digit")).toEqual([]);
  expect(screen.getByText("The code is valid for another 10:00.")).toBeOnTheScreen();
});

test("digits stand in their boxes, and the last one sends them", async () => {
  const { client } = await startWithCode();
  await fill("12");
  expect(boxes()).toBe("12____");
  await fill("1234 5");
  expect(client.count("verifyOtp")).toBe(0);
  await fill("123456");
  expect(client.asked.at(-1)).toEqual(["verifyOtp", "HSP-1234-5678", "123456", "c1"]);
  expect(title()).toBe("Welcome, Asha");
});

test("a message that is pasted, or filled in, is read and sent once", async () => {
  const { client } = await startWithCode();
  await fill("123456 is your House Service Pass code. It expires in 10 minutes.");
  expect(client.count("verifyOtp")).toBe(1);
  expect(client.asked.at(-1)).toContain("123456");
});

test("while it is judged, nothing else can be done", async () => {
  const { promise, release } = held<SignedIn>();
  const { client } = await startWithCode((scripted) => {
    scripted.judged = promise;
  });
  await fill("123456");
  expect(screen.getByRole("button", { name: "Checking…" })).toBeBusy();
  expect(screen.getByRole("button", { name: "Send a new code in 0:30" })).toBeDisabled();
  expect(screen.getByRole("button", { name: "Use another pass" })).toBeDisabled();
  await fill("654321");
  expect(boxes()).toBe("123456");
  await press("Use another pass");
  await does(() => {
    release({ error: null, user: USER, pass: PASS });
  });
  expect(client.count("verifyOtp")).toBe(1);
  expect(title()).toBe("Welcome, Asha");
});

test("a wrong code leaves room for the next, and says how many are left", async () => {
  const { client } = await startWithCode();
  client.judged = refused("invalid_otp", { attemptsRemaining: 2, resendIn: 12 });
  await fill("000000");
  expect(screen.getByRole("alert")).toHaveTextContent(
    "This code is wrong. Please check the code and try again. 2 attempts left.",
  );
  expect(boxes()).toBe("______");
  expect(screen.getByRole("button", { name: "Send a new code in 0:12" })).toBeDisabled();
  client.judged = refused("invalid_otp", { attemptsRemaining: 1, resendIn: 10 });
  await fill("000000");
  expect(screen.getByRole("alert")).toHaveTextContent(
    "This code is wrong. Please check the code and try again. 1 attempt left.",
  );
  client.judged = refused("invalid_otp", { attemptsRemaining: 0, resendIn: 8 });
  await fill("000000");
  expect(title()).toBe("You need a new code");
  expect(screen.getByRole("alert")).toHaveTextContent("Three wrong codes were entered.");
  expect(screen.getByText("New codes go to ***‑***‑3210.")).toBeOnTheScreen();
  expect(screen.queryByText(/sent a code|on its way/)).toBeNull();
  expect(screen.queryByLabelText("Code")).toBeNull();
  expect(screen.getByRole("button", { name: "Send a new code in 0:08" })).toBeDisabled();
});

test("wrong codes that somebody else entered are not counted as three", async () => {
  const { client } = await startWithCode();
  client.judged = refused("invalid_otp", { attemptsRemaining: 1, resendIn: 0 });
  await fill("000000");
  client.judged = refused("too_many_attempts", { resendIn: 0 });
  await fill("000000");
  expect(screen.getByRole("alert")).toHaveTextContent("Too many wrong codes were entered.");
});

test("a lock promises no code, and says when the next one can be asked for", async () => {
  const { client, clock } = await startWithCode();
  client.judged = refused("locked_out", { retryAfterSeconds: 3600 });
  await fill("000000");
  expect(title()).toBe("You need a new code");
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("en", "locked_out"));
  expect(screen.queryByText(/New codes go to|You can try again/)).toBeNull();
  expect(screen.getByRole("button", { name: "Send a new code in 1:00:00" })).toBeDisabled();
  await clock.advance(3600);
  expect(screen.getByRole("alert")).toHaveTextContent("The last code can no longer be used.");
  expect(screen.getByText("New codes go to ***‑***‑3210.")).toBeOnTheScreen();
  client.sent = refused("locked_out", { retryAfterSeconds: 60 });
  await press("Send a new code");
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("en", "locked_out"));
  expect(screen.getByRole("button", { name: "Send a new code in 1:00" })).toBeDisabled();
});

test("a lock that only an operator lifts leaves nothing to press but another pass", async () => {
  const { client } = await startWithCode();
  client.judged = refused("invalid_otp", { attemptsRemaining: 0, resendIn: null });
  await fill("000000");
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("en", "locked_out"));
  expect(screen.queryByText(/New codes go to/)).toBeNull();
  expect(screen.queryByRole("button", { name: /Send a new code/ })).toBeNull();
  expect(screen.getByRole("button", { name: "Use another pass" })).toBeEnabled();
});

test("a code that is no longer good: another can be asked for at once", async () => {
  const { client } = await startWithCode();
  client.judged = refused("otp_expired", { resendIn: 0 });
  await fill("123456");
  expect(screen.getByRole("alert")).toHaveTextContent("The last code can no longer be used.");
  expect(screen.getByRole("button", { name: "Send a new code" })).toBeEnabled();
});

test("the box to type in has a caret", async () => {
  await startWithCode();
  const caret = (): number => {
    const shown = screen.queryAllByTestId("caret", { includeHiddenElements: true });
    return shown.length;
  };
  expect(caret()).toBe(0);
  fireEvent(field(), "focus");
  expect(caret()).toBe(1);
  await fill("12345");
  expect(caret()).toBe(1);
  fireEvent(field(), "blur");
  expect(caret()).toBe(0);
});

const OVER = ["locked_out", "otp_expired", "too_many_attempts"];

test.each(
  TAGS.flatMap((tag) => [...WORDS.verifyOtp, ...EVERYWHERE].map((word) => [tag, word] as const)),
)("%s: %s is told at the code", async (tag, word) => {
  const { client, language } = await startWithCode();
  act(() => {
    language.choose(tag);
  });
  client.judged = failure(word, { attempts_remaining: 2, retry_after_seconds: 90, resend_in: 30 });
  await does(() => {
    fireEvent.changeText(screen.getByLabelText(textIn(tag, "page.code")), "000000");
  });
  const over = OVER.includes(word);
  const ends = {
    locked_out: "locked_out",
    otp_expired: "page.end_other",
    too_many_attempts: "page.end_exhausted",
  } as const;
  const sentence = over ? ends[word as keyof typeof ends] : sentenceOf(word);
  expect(screen.getByRole("alert")).toHaveTextContent(textIn(tag, sentence), { exact: false });
  expect(title()).toBe(textIn(tag, over ? "page.ended_title" : "page.code_title"));
  const waits = ["rate_limited", "lookup_rate_limited", "unavailable"];
  const wait = screen.queryByText(textIn(tag, "page.retry_in", { time: "1:30" }));
  expect(wait !== null).toBe(waits.includes(word));
});

test("too few digits are told as such, and the boxes are emptied", async () => {
  const { client } = await startWithCode();
  client.judged = refused("malformed_otp");
  await fill("123");
  await press("Verify");
  expect(screen.getByRole("alert")).toHaveTextContent("Please enter all the digits of the code.");
  expect(boxes()).toBe("______");
});

test("the keyboard's own key sends too", async () => {
  const { client } = await startWithCode();
  await fill("123");
  await does(() => {
    fireEvent(field(), "submitEditing");
  });
  expect(client.asked.at(-1)).toContain("123");
});

test("another code can be asked for after the wait, and not before", async () => {
  const { client, clock } = await startWithCode();
  expect(screen.getByRole("button", { name: "Send a new code in 0:30" })).toBeDisabled();
  await press("Send a new code in 0:30");
  await clock.advance(29);
  await press("Send a new code in 0:01");
  expect(client.count("sendOtp")).toBe(1);
  await clock.advance(1);
  expect(screen.getByRole("button", { name: "Send a new code" })).toBeEnabled();
  await fill("123");
  await press("Send a new code");
  expect(client.count("sendOtp")).toBe(2);
  expect(screen.getByRole("button", { name: "Send a new code in 0:30" })).toBeDisabled();
});

test("while another code is sent, the button says so, and then its code can be typed", async () => {
  const { client, clock } = await startWithCode();
  await clock.advance(30);
  await fill("123");
  const sent = held<Sent>();
  client.sent = sent.promise;
  await press("Send a new code");
  expect(screen.getByRole("button", { name: "Sending…" })).toBeBusy();
  expect(screen.getByRole("button", { name: "Verify" })).toBeDisabled();
  expect(boxes()).toBe("123___");
  await does(() => {
    sent.release({ ...SENT, challengeId: "c2" });
  });
  expect(boxes()).toBe("______");
  expect(screen.getByRole("button", { name: "Verify" })).toBeEnabled();
});

// Calls

test("a service without calls offers none", async () => {
  const { clock } = await startWithCode();
  await clock.advance(60);
  expect(screen.queryByRole("button", { name: /call/i })).toBeNull();
});

test("a call can be asked for after its wait, and then its code can be typed", async () => {
  const { client, clock } = await startWithCode(undefined, true);
  expect(screen.getByRole("button", { name: "Call me in 1:00" })).toBeDisabled();
  await clock.advance(59);
  await press("Call me in 0:01");
  expect(client.count("sendOtp")).toBe(1);
  await clock.advance(1);
  const sent = held<Sent>();
  client.sent = sent.promise;
  await fill("123");
  await press("Call me instead");
  expect(client.asked.at(-1)).toEqual(["sendOtp", "HSP-1234-5678", "voice"]);
  expect(screen.getByRole("button", { name: "Calling…" })).toBeBusy();
  expect(screen.getByRole("button", { name: "Send a new code" })).toBeDisabled();
  expect(screen.getByRole("button", { name: "Send a new code" })).not.toBeBusy();
  await does(() => {
    sent.release({ ...SENT, challengeId: "c2" });
  });
  expect(screen.getByRole("status")).toHaveTextContent(
    "We are calling ***‑***‑3210. Press a key to hear a new code.",
  );
  expect(screen.getByRole("button", { name: "Call me in 1:00" })).toBeDisabled();
  expect(boxes()).toBe("______");
  await fill("123456");
  expect(client.asked.at(-1)).toEqual(["verifyOtp", "HSP-1234-5678", "123456", "c2"]);
});

test("too many calls: the button says when the next one is possible, and messages go on", async () => {
  const { client, clock } = await startWithCode(undefined, true);
  await clock.advance(60);
  client.sent = refused("phone_rate_limited", { retryAfterSeconds: 3600 });
  await press("Call me instead");
  expect(screen.getByRole("alert")).toHaveTextContent(/Too many codes/);
  expect(screen.queryByText(/You can try again/)).toBeNull();
  expect(screen.getByRole("button", { name: "Call me in 1:00:00" })).toBeDisabled();
  expect(screen.getByRole("button", { name: "Send a new code" })).toBeEnabled();
});

test("messages that have to wait longer hold up calls", async () => {
  const { client, clock } = await startWithCode(undefined, true);
  await clock.advance(30);
  client.sent = refused("phone_rate_limited", { retryAfterSeconds: 3600 });
  await press("Send a new code");
  expect(screen.getByRole("button", { name: "Call me in 1:00:00" })).toBeDisabled();
});

test("a wrong code after a call: the screen still says where the code was said", async () => {
  const { client, clock } = await startWithCode(undefined, true);
  await clock.advance(60);
  client.sent = { ...SENT, challengeId: "c2" };
  await press("Call me instead");
  client.judged = refused("invalid_otp", { attemptsRemaining: 2, resendIn: 30 });
  await fill("000000");
  expect(
    screen.getByText("We called ***‑***‑3210. Press a key during the call to hear the code."),
  ).toBeOnTheScreen();
  expect(screen.queryByText(/text message/)).toBeNull();
});

test("a call that failed: nothing claims a code, and a message is offered", async () => {
  const { client, clock, language } = await startWithCode(undefined, true);
  await clock.advance(60);
  client.sent = refused("sms_failed", { resendIn: 0 });
  await press("Call me instead");
  expect(title()).toBe("You need a new code");
  expect(screen.getByRole("alert")).toHaveTextContent("told: sms_failed");
  expect(screen.getByRole("button", { name: "Call me instead" })).toBeEnabled();
  act(() => {
    language.choose("es");
  });
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("es", "call_failed"));
  act(() => {
    language.choose("en");
  });
  client.sent = refused("sms_failed", { resendIn: 0 });
  await press("Send a new code");
  expect(screen.getByRole("alert")).toHaveTextContent("told: sms_failed");
});

test("a call that costs work tells it once", async () => {
  const work = new ScriptedWork();
  const { client, clock } = await startWithCode(undefined, true);
  await clock.advance(60);
  client.sent = work.required();
  await press("Call me instead");
  expect(screen.getAllByRole("progressbar")).toHaveLength(1);
  await work.ends({ ...SENT, challengeId: "c2" });
  expect(screen.queryByRole("progressbar")).toBeNull();
  expect(screen.getByRole("status")).toHaveTextContent(/We are calling/);
});

test.each(TAGS)("%s: the button for a call", async (tag) => {
  const { clock } = await start(undefined, tag, true);
  fireEvent.changeText(screen.getByLabelText(textIn(tag, "page.pass_code")), "HSP-1234-5678");
  await press(textIn(tag, "page.send_code"));
  expect(
    screen.getByRole("button", { name: textIn(tag, "page.call_wait", { time: "1:00" }) }),
  ).toBeDisabled();
  await clock.advance(60);
  expect(screen.getByRole("button", { name: textIn(tag, "page.call") })).toBeEnabled();
});

// A code runs out

test("a code that runs out is over", async () => {
  const { client, clock } = await startWithCode();
  await clock.advance(599);
  expect(screen.getByText("The code is valid for another 0:01.")).toBeOnTheScreen();
  await clock.advance(1);
  expect(title()).toBe("You need a new code");
  expect(screen.getByRole("alert")).toHaveTextContent("The last code has expired.");
  expect(screen.getByText("New codes go to ***‑***‑3210.")).toBeOnTheScreen();
  client.sent = refused("rate_limited", { retryAfterSeconds: 1800 });
  await press("Send a new code");
  const [end, refusal] = screen.getAllByRole("alert");
  expect(end).toHaveTextContent("The last code has expired.");
  expect(refusal).toHaveTextContent(/too many requests/);
  expect(screen.getByRole("button", { name: "Send a new code in 30:00" })).toBeDisabled();
  expect(screen.queryByText(/You can try again/)).toBeNull();
  client.sent = SENT;
  await clock.advance(1800);
  await press("Send a new code");
  expect(title()).toBe("Enter the code");
});

// A code is on its way, or is not

test.each([
  [true, "Enter the code", "A code is on its way."],
  [false, "Sign in", "Please wait a moment before you ask for another code."],
])("asked for too soon while a code stands: %s", async (live, heading, sentence) => {
  const { clock } = await start((client) => {
    client.sent = refused("resend_too_soon", { retryAfterSeconds: 12, live });
  });
  await enterPass();
  expect(title()).toBe(heading);
  expect(screen.getByRole("alert")).toHaveTextContent(sentence, { exact: false });
  expect(screen.queryByText(/sent a code/)).toBeNull();
  if (!live) {
    expect(screen.getByText("You can try again in 0:12.")).toBeOnTheScreen();
    await clock.advance(12);
    expect(screen.getByRole("button", { name: "Send the code" })).toBeEnabled();
  }
});

test("while a guess for a code that somebody else asked for is judged, none is said to be sent", async () => {
  const { promise } = held<SignedIn>();
  await start((client) => {
    client.sent = refused("resend_too_soon", { retryAfterSeconds: 12, live: true });
    client.judged = promise;
  });
  await enterPass();
  await fill("123456");
  expect(screen.queryByText(/sent a code/)).toBeNull();
});

test("a message that could not be sent: nothing claims a code, and the next ask is free", async () => {
  const { client, clock } = await startWithCode();
  await clock.advance(30);
  client.sent = refused("sms_failed", { resendIn: 0 });
  await press("Send a new code");
  expect(title()).toBe("You need a new code");
  expect(screen.getByRole("alert")).toHaveTextContent("told: sms_failed");
  expect(screen.queryByText(/on its way|sent a code|It is in/)).toBeNull();
  expect(screen.getByRole("button", { name: "Send a new code" })).toBeEnabled();
  client.sent = SENT;
  await press("Send a new code");
  expect(title()).toBe("Enter the code");
});

test("the first message could not be sent: the pass can be tried again at once", async () => {
  const { client } = await start((scripted) => {
    scripted.sent = refused("sms_failed", { resendIn: 0 });
  });
  await enterPass();
  expect(title()).toBe("Sign in");
  expect(screen.queryByText(/on its way|sent a code|try again in/)).toBeNull();
  client.sent = SENT;
  await press("Send the code");
  expect(title()).toBe("Enter the code");
});

test("the service's own reason gives way to the language that is chosen", async () => {
  await start((client) => {
    client.sent = refused("sms_failed", { resendIn: 0 });
  });
  await enterPass();
  expect(screen.getByRole("alert")).toHaveTextContent("told: sms_failed");
  await press("Español");
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("es", "sms_failed"));
});

test("another pass", async () => {
  await startWithCode();
  await press("Use another pass");
  expect(title()).toBe("Sign in");
});

test("as many boxes as the policy has digits", async () => {
  const client = new Scripted();
  render(
    <AuthProvider client={client} clock={new ManualClock()}>
      <SignIn language={createLanguage("en")} digits={8} />
    </AuthProvider>,
  );
  await act(async () => Promise.resolve());
  await enterPass();
  expect(boxes()).toBe("________");
  await fill("123456");
  expect(client.count("verifyOtp")).toBe(0);
  await fill("12345678");
  expect(client.count("verifyOtp")).toBe(1);
});

// A code that costs work

test("the first code costs work: how long, how far, and then the code", async () => {
  const work = new ScriptedWork();
  const { client } = await start((scripted) => {
    scripted.sent = work.required();
  });
  await enterPass();
  expect(title()).toBe("Sign in");
  const told = screen.getByRole("status");
  expect(told).toHaveTextContent("Checking this device, about 4 seconds");
  expect(told.props["aria-live"] ?? told.props["accessibilityLiveRegion"]).toBe("polite");
  expect(screen.getByLabelText("Checking this device, about 4 seconds")).toBe(
    screen.getByRole("progressbar"),
  );
  expect(screen.getByRole("button", { name: "Sending…" })).toBeBusy();
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.getByRole("progressbar")).toHaveAccessibilityValue({ min: 0, max: 100, now: 0 });
  await work.reaches(300);
  expect(screen.getByRole("progressbar")).toHaveAccessibilityValue({ now: 20 });
  await work.ends(new Scripted().sent as never);
  expect(title()).toBe("Enter the code");
  expect(screen.queryByRole("progressbar")).toBeNull();
  expect(client.count("sendOtp")).toBe(1);
});

test("work that is cancelled leaves the pass code, and can be begun again", async () => {
  const work = new ScriptedWork();
  await start((scripted) => {
    scripted.sent = work.required();
  });
  await enterPass();
  await press("Cancel");
  expect(screen.queryByRole("progressbar")).toBeNull();
  expect(screen.queryByRole("button", { name: "Cancel" })).toBeNull();
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("en", "work_required"));
  expect(screen.getByLabelText("Pass code").props["value"]).toBe("HSP-1234-5678");
  await press("Send the code");
  expect(screen.getByRole("progressbar")).toBeOnTheScreen();
  expect(work.begun).toBe(2);
});

test("another code costs work: the older one can be entered once it is cancelled", async () => {
  const work = new ScriptedWork();
  const { client, clock } = await startWithCode();
  await clock.advance(30);
  client.sent = work.required(32);
  await press("Send a new code");
  expect(title()).toBe("Enter the code");
  expect(screen.getByText("Checking this device, about 32 seconds")).toBeOnTheScreen();
  await press("Cancel");
  expect(screen.getByRole("alert")).toHaveTextContent(textIn("en", "work_required"));
  await fill("123456");
  expect(client.asked.at(-1)).toEqual(["verifyOtp", "HSP-1234-5678", "123456", "c1"]);
});

test("iOS, which has no live regions, is told that work has begun, once", async () => {
  const told = jest.spyOn(AccessibilityInfo, "announceForAccessibility").mockClear();
  const work = new ScriptedWork();
  await start((scripted) => {
    scripted.sent = work.required(1);
  });
  await enterPass();
  await work.reaches(300);
  await work.reaches(600);
  expect(told.mock.calls).toEqual([["Checking this device, about one second"]]);
  told.mockRestore();
});

test.each(TAGS)("work in %s, and a device that cannot do it", async (tag) => {
  const work = new ScriptedWork();
  await start((scripted) => {
    scripted.sent = work.required(16);
  }, tag);
  await press(textIn(tag, "page.send_code"));
  expect(screen.getByRole("status")).toHaveTextContent(
    textIn(tag, "app.checking", { seconds: 16 }),
  );
  expect(screen.getByRole("button", { name: textIn(tag, "app.cancel") })).toBeEnabled();
  expect(screen.queryByText(/[{}]/)).toBeNull();
  await work.ends(refused("work_not_done", { cancelled: false }));
  expect(screen.getByRole("alert")).toHaveTextContent(textIn(tag, "app.work_not_done"));
});

// Navigation

describe("on Android", () => {
  type Handler = Parameters<typeof BackHandler.addEventListener>[1];
  const back: Handler[] = [];

  beforeEach(() => {
    jest.replaceProperty(Platform, "OS", "android");
    jest.spyOn(BackHandler, "addEventListener").mockImplementation((_, handler) => {
      back.push(handler);
      return {
        remove: () => {
          back.splice(back.indexOf(handler), 1);
        },
      };
    });
  });

  afterEach(() => {
    back.splice(0);
    jest.restoreAllMocks();
    jest.spyOn(AccessibilityInfo, "sendAccessibilityEvent").mockImplementation(() => undefined);
  });

  test("back leads from the code to the pass code", async () => {
    await startWithCode();
    await does(() => {
      expect(back.at(-1)?.({} as never)).toBe(true);
    });
    expect(title()).toBe("Sign in");
    expect(back).toEqual([]);
  });

  test("signed in, back leaves the app: no way leads to the code", async () => {
    await startWithCode();
    await fill("123456");
    expect(title()).toBe("Welcome, Asha");
    expect(back).toEqual([]);
  });
});

// Signed in

test("who is signed in, by which pass, and for how long", async () => {
  const { client } = await startWithCode();
  await fill("123456");
  const facts = ["HSP-1234-5678", "Gold", "Active", "December 30, 2099", "26702", USER.email];
  for (const fact of facts) expect(screen.getByText(fact)).toBeOnTheScreen();
  expect(screen.getByText("Days left")).toBeOnTheScreen();
  expect(screen.getByRole("status")).toHaveTextContent("You are signed in.");
  await press("Sign out");
  expect(title()).toBe("Sign in");
  expect(screen.getByLabelText("Pass code").props["value"]).toBe("");
  expect(client.count("revoke")).toBe(1);
});

async function signedInWith(pass: Partial<Pass>): Promise<void> {
  await start((client) => {
    client.signedIn = true;
    client.who = { error: null, user: { ...USER, firstName: "" }, pass: { ...PASS, ...pass } };
  });
}

test("a pass past its end: it has to be renewed", async () => {
  await signedInWith({
    status: "expired",
    isExpired: true,
    daysUntilExpiry: 0,
    expiresAt: "2025-01-01T23:59:59Z",
  });
  for (const fact of ["Expired", "January 1, 2025", "0", "Welcome, asha@example.com"]) {
    expect(screen.getByText(fact)).toBeOnTheScreen();
  }
  expect(screen.getByRole("alert")).toHaveTextContent(/has expired. Please renew it/);
});

test.each([
  ["2025-01-01T00:00:00Z", "December 31, 2024"],
  ["2025-01-01T00:00:00.000001Z", "January 1, 2025"],
  ["2025-01-01T23:59:59Z", "January 1, 2025"],
])("a pass that ends at %s is valid until %s", async (expiresAt, day) => {
  await signedInWith({ expiresAt });
  expect(screen.getByText(day)).toBeOnTheScreen();
});

test("a pass without an end, and without a plan", async () => {
  await signedInWith({ daysUntilExpiry: null, expiresAt: null, planName: "" });
  expect(screen.getByText("No end date")).toBeOnTheScreen();
  expect(screen.queryByText("Days left")).toBeNull();
  expect(screen.queryByText("Plan")).toBeNull();
});

test("signed in without a network: it says so, and can be tried again", async () => {
  const { client } = await start((scripted) => {
    scripted.signedIn = true;
    scripted.who = refused("network_error");
  });
  expect(title()).toBe("You are signed in.");
  expect(screen.getByRole("alert")).toHaveTextContent(
    "We could not reach the service. Please check your connection and try again.",
  );
  client.who = new Scripted().who;
  await press("Try again");
  expect(title()).toBe("Welcome, Asha");
});

test("tokens that were used twice: signed out, and told why", async () => {
  await start((client) => {
    client.signedIn = true;
    client.ending = "token_reused";
  });
  expect(title()).toBe("Sign in");
  expect(screen.getByRole("alert")).toHaveTextContent(/to keep your account safe/);
});

test("an app's own screen stands in the place of ours", async () => {
  const client = new Scripted();
  client.signedIn = true;
  render(
    <AuthProvider client={client}>
      <SignIn language={createLanguage("en")}>
        <Text>home</Text>
      </SignIn>
    </AuthProvider>,
  );
  await act(async () => Promise.resolve());
  expect(screen.getByText("home")).toBeOnTheScreen();
});

// Brands

const BRAND: Brand = {
  name: "Acme Homes",
  logo: <Text>logo</Text>,
  accent: "#8a1c5b",
  support: "help@acme.example",
  terms: "https://acme.example/terms",
  privacy: "https://acme.example/privacy",
};

async function startBranded(brand: Brand, client = new Scripted()): Promise<void> {
  render(
    <AuthProvider client={client} clock={new ManualClock()}>
      <SignIn language={createLanguage("en")} brand={brand} />
    </AuthProvider>,
  );
  await act(async () => Promise.resolve());
}

test("a brand stands on every screen: name, logo, accent and links", async () => {
  const opened = jest.spyOn(Linking, "openURL").mockResolvedValue(undefined);
  await startBranded(BRAND);
  const look = (): void => {
    expect(screen.getByText("Acme Homes")).toBeOnTheScreen();
    expect(screen.getByText("logo")).toBeOnTheScreen();
  };
  look();
  expect(screen.getByRole("button", { name: "Send the code" })).toHaveStyle({
    backgroundColor: "#8a1c5b",
  });
  for (const name of ["Help: help@acme.example", "Terms", "Privacy"]) {
    fireEvent.press(screen.getByRole("link", { name }));
  }
  expect(opened.mock.calls).toEqual([
    ["mailto:help@acme.example"],
    ["https://acme.example/terms"],
    ["https://acme.example/privacy"],
  ]);
  opened.mockRestore();
  await enterPass();
  look();
  await fill("123456");
  look();
});

test("a phone that cannot open a link stays where it is", async () => {
  const opened = jest.spyOn(Linking, "openURL").mockRejectedValue(new Error("no app for it"));
  await startBranded({ support: "+91 22 1234 5678" });
  await does(() => {
    fireEvent.press(screen.getByRole("link", { name: "Help: +91 22 1234 5678" }));
  });
  expect(title()).toBe("Sign in");
  opened.mockRestore();
});

test("without a brand, there are no links", async () => {
  await start();
  expect(screen.queryByRole("link")).toBeNull();
});

test("a brand that cannot be read is refused in development", async () => {
  const told = jest.spyOn(console, "error").mockImplementation(() => undefined);
  await expect(startBranded({ accent: "#ffee00" })).rejects.toThrow("contrast");
  told.mockRestore();
});

test.each([
  ["pass_not_paid", true],
  ["no_phone", true],
  ["pass_not_found", false],
])("%s: the address of support stands there: %s", async (error, stands) => {
  const client = new Scripted();
  client.validated = refused(error);
  await startBranded(BRAND, client);
  await enterPass();
  const found = screen.queryByRole("link", { name: "Support: help@acme.example" });
  expect(found !== null).toBe(stands);
});

// Languages and colours

test.each([
  ["es-MX", "Iniciar sesión"],
  ["hi-IN", "साइन इन करें"],
  ["en-GB", "Sign in"],
  ["fr-FR", "Sign in"],
])("a device in %s", async (wanted, heading) => {
  await start(undefined, wanted);
  expect(title()).toBe(heading);
});

test("another language can be chosen, and the client is told", async () => {
  const { language } = await start();
  await press("हिन्दी");
  expect(title()).toBe("साइन इन करें");
  expect(language.tag()).toBe<Tag>("hi");
  expect(screen.getByRole("button", { name: "हिन्दी" })).toBeSelected();
});

test.each(TAGS)("the whole way in %s", async (tag) => {
  await start(undefined, tag);
  await press(textIn(tag, "page.send_code"));
  const resend = textIn(tag, "page.resend_wait", { time: "0:30" });
  expect(screen.getByRole("button", { name: resend })).toBeDisabled();
  await does(() => {
    fireEvent.changeText(screen.getByLabelText(textIn(tag, "page.code")), "123456");
  });
  expect(title()).toBe(textIn(tag, "page.welcome", { name: "Asha" }));
  expect(screen.getByText(textIn(tag, "app.days_left"))).toBeOnTheScreen();
  expect(screen.queryByText(/[{}]/)).toBeNull();
});

test("both colour schemes", async () => {
  await start();
  expect(screen.getByRole("heading")).toHaveStyle({ color: "#161a23" });
  jest.mocked(useColorScheme).mockReturnValue("dark");
  await press("Español");
  expect(screen.getByRole("heading")).toHaveStyle({ color: "#eceff5" });
});
