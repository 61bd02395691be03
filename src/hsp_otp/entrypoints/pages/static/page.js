/*
 * The behaviour of the pages. Every form works without this file. With it, forms are sent by fetch,
 * and <main> is replaced by the server's answer, so that only the server renders pages.
 */
"use strict";

(() => {
  const GREEN_MS = 700;
  const TOAST_MS = 6000;
  const ANNOUNCED_MS = 100;
  const LEAVES_MS = 1000;
  const SENT_MS = 3000;

  let busy = false;
  let awaited = null; // aborts the wait for a message (WebOTP)
  let ticking = 0;
  let leaving = 0; // the timer of a form for another site
  let leaveWork = null; // ends the work that is being done, and tells why

  const main = () => document.querySelector("main");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const token = () => document.querySelector("[name=csrftoken]").value;

  /* Text */

  /* Converts digits of any script to ASCII; each script has its digits in a row from zero. */
  function fold(text) {
    return text.replace(/\p{Nd}/gu, (digit) => {
      if (digit <= "9") return digit;
      const found = digit.codePointAt(0);
      let zero = found;
      while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
      return String((found - zero) % 10);
    });
  }

  /* Removes invisible characters and unifies dashes, like the server. */
  function plain(text) {
    return text
      .replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, "")
      .replace(/[\p{Pd}\u02d7\u2043\u207b\u208b\u2212\u2500\u2501\u2796\u30fc\uff70]/gu, "-");
  }

  /* Finds the code in a text: a group of that many digits, possibly separated, or else all digits. */
  function codeIn(text, digits) {
    const groups = fold(plain(text)).match(/[0-9](?:(?:\s|\s?-\s?)?[0-9])*/gu) || [];
    const bare = groups.map((group) => group.replace(/[^0-9]/g, ""));
    return bare.find((group) => group.length === digits) || bare.join("").slice(0, digits);
  }

  function clock(seconds) {
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  }

  /* Messages */

  /* Shows the latest message until something else happens. */
  function toast(...parts) {
    const line = document.createElement("p");
    line.append(...parts);
    document.querySelector("#toasts").replaceChildren(line);
    setTimeout(() => line.remove(), TOAST_MS);
  }

  function dismiss() {
    document.querySelector("#toasts").replaceChildren();
  }

  for (const act of ["input", "pointerdown"]) document.addEventListener(act, dismiss);

  function clear(form) {
    for (const place of main().querySelectorAll(".error")) place.replaceChildren();
    for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }

  /* Time: the server sends the seconds that are left, and this page counts them down. */

  function tick() {
    clearTimeout(ticking);
    const now = performance.now();
    let going = false;
    for (const place of document.querySelectorAll("[data-left]")) {
      place.ends ??= now + Number(place.dataset.left) * 1000;
      const left = Math.max(0, Math.ceil((place.ends - now) / 1000));
      const text = clock(left);
      if (place.textContent !== text) place.textContent = text;
      if (left > 0) going = true;
      else over(place);
    }
    if (going) ticking = setTimeout(tick, 200);
  }

  function over(place) {
    place.removeAttribute("data-left");
    const told = place.closest("[data-then]");
    if (place.closest("button")) {
      release(place.closest("button"));
    } else if (!told) {
      place.parentElement.remove();
    } else if (!busy && !leaveWork) {
      refresh(); // the server renders the next step
    }
  }

  /* Buttons that have to wait count down by themselves. */
  function hold() {
    for (const told of main().querySelectorAll("#wait, #call-wait")) holdOne(told);
  }

  function holdOne(told) {
    const clock = told.querySelector("[data-left]");
    if (!clock) return;
    const button = told.closest("form").querySelector("button[name=do]");
    const [before, after] = button.dataset.wait.split("{time}");
    const line = document.createElement("span");
    line.append(before, clock, after);
    button.dataset.label = button.textContent;
    button.replaceChildren(line);
    button.setAttribute("data-held", "");
    button.setAttribute("aria-disabled", "true");
    told.replaceChildren();
  }

  function release(button) {
    button.textContent = button.dataset.label;
    button.removeAttribute("data-held");
    button.setAttribute("aria-disabled", "false");
  }

  /* Navigation */

  /* Shows the main part of a page. Where work is to be done, the focus stays where it is. */
  function swap(html, { worked = false } = {}) {
    const found = new DOMParser().parseFromString(html, "text/html");
    const fresh = found.querySelector("main");
    if (!fresh) return;
    stopAwaiting();
    dismiss();
    if (leaveWork) leaveWork();
    const focused = document.activeElement.id;
    main().replaceWith(document.adoptNode(fresh));
    document.title = found.title;
    document.documentElement.lang = found.documentElement.lang;
    const before = document.querySelectorAll("[name=csrftoken]");
    for (const field of before) field.value = found.querySelector("[name=csrftoken]").value;
    start();
    const place = main().querySelector("[data-work]");
    if (place) {
      startWork(place, worked);
      (document.getElementById(focused) || sendButton(place)).focus();
      return;
    }
    if (focusNext()) return;
    const heading = fresh.querySelector("h1");
    heading.tabIndex = -1;
    heading.focus();
  }

  /* Moves the focus to where the user types next. */
  function focusNext() {
    const next = main().querySelector("[aria-invalid]") || main().querySelector("[autofocus]");
    if (next) next.focus();
    return Boolean(next);
  }

  async function refresh() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    swap(await answer.text());
  }

  async function green() {
    const code = document.querySelector(".code");
    if (!code) return;
    code.classList.add("good");
    await pause(GREEN_MS);
  }

  /* Forms */

  function asForm(form, button) {
    const fields = new FormData(form);
    if (button && button.name) fields.set(button.name, button.value);
    return new URLSearchParams(fields);
  }

  async function post(form, button) {
    const fields = asForm(form, button);
    const answer = await fetch(location.pathname, {
      method: "POST",
      headers: { "x-csrftoken": token() },
      body: fields,
    });
    const text = await answer.text();
    if ((answer.headers.get("content-type") || "").includes("json")) {
      toast(JSON.parse(text).message);
      return;
    }
    const found = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    const arrived = found && /^(in|return|verified)$/.test(found.dataset.step);
    if (arrived && form.querySelector("#code")) await green();
    swap(text, { worked: Boolean(fields.get("altcha")) });
  }

  async function submit(form, button) {
    if (busy) return;
    busy = true;
    stopAwaiting();
    dismiss();
    if (leaveWork) leaveWork();
    clear(form);
    const label = button && button.textContent;
    if (button) {
      button.setAttribute("aria-busy", "true");
      if (button.dataset.busy) button.textContent = button.dataset.busy;
    }
    try {
      await post(form, button);
    } catch {
      toast(document.body.dataset.offline);
    } finally {
      busy = false;
      if (button && button.isConnected) {
        button.removeAttribute("aria-busy");
        button.textContent = label;
      }
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.hasAttribute("data-plain")) return;
    if (form.hasAttribute("data-way")) return leaveOnce(event);
    event.preventDefault();
    const button = event.submitter || form.querySelector("button");
    if (button.hasAttribute("data-held")) return;
    submit(form, button);
  });

  /* The way back to another site, which takes each code and each proof once */

  function leaveSoon() {
    stay();
    const form = main().querySelector("[data-at-once]");
    if (form) leaving = setTimeout(() => form.requestSubmit(), LEAVES_MS);
  }

  function stay() {
    clearTimeout(leaving);
  }

  function leaveOnce(event) {
    stay();
    const form = event.target;
    if (form.hasAttribute("data-sent")) return event.preventDefault();
    form.removeAttribute("data-at-once");
    form.setAttribute("data-sent", "");
    setTimeout(() => form.removeAttribute("data-sent"), SENT_MS);
  }

  for (const act of ["keydown", "pointerdown"]) addEventListener(act, stay, true);
  addEventListener("pagehide", stay);

  /* Work: what this browser computes before it gets one more code. */

  const sendButton = (place) => place.closest("form").querySelector("button[name=do]");

  /*
   * Does the work in a worker, and sends its form again.
   *
   * If work was just done for the form, more is done only once the user presses the button again.
   */
  function startWork(place, worked) {
    const error = document.getElementById(place.dataset.error);
    if (worked) {
      error.textContent = place.dataset.cancelled;
      return;
    }
    if (!window.isSecureContext || !window.Worker) return; // the error says so
    const form = place.closest("form");
    const button = sendButton(place);
    const told = place.querySelector("[role=status]");
    const bar = place.querySelector("progress");
    const cannot = error.textContent;
    const worker = new Worker(place.dataset.script);

    leaveWork = (reason = "") => {
      leaveWork = null;
      worker.onmessage = worker.onerror = null;
      worker.terminate();
      button.removeAttribute("data-held");
      button.setAttribute("aria-disabled", "false");
      if (place.contains(document.activeElement)) button.focus();
      place.hidden = true;
      error.textContent = reason;
    };

    worker.onmessage = ({ data }) => {
      if ("payload" in data) {
        form.elements.altcha.value = data.payload;
        submit(form, button);
      } else if ("failed" in data) {
        leaveWork(cannot);
      } else {
        bar.value = data.done / data.expected;
      }
    };
    worker.onerror = () => leaveWork(cannot);
    place.querySelector("button").onclick = () => {
      leaveWork(place.dataset.cancelled);
      if (main().querySelector("[data-then=refresh] .clock:not([data-left])")) refresh();
    };

    error.replaceChildren();
    button.setAttribute("data-held", "");
    button.setAttribute("aria-disabled", "true");
    place.hidden = false;
    // Screen readers announce what changes in an element that they know already.
    setTimeout(() => told.append(told.dataset.checking), ANNOUNCED_MS);
    const seconds = Number(place.dataset.seconds);
    worker.postMessage({ ...JSON.parse(place.dataset.work), seconds });
  }

  /* Text that is formatted while it is typed; the server reads it with or without the format. */

  /* Writes a pass code as HSP-1234-5678, and leaves other text as it is. */
  function asPassCode(text) {
    const typed = fold(plain(text)).toUpperCase();
    const bare = typed.replace(/[\s-]/g, "");
    const dash = /[\s-]$/.test(typed) ? "-" : "";
    if (/^(H|HS|HSP)$/.test(bare)) return bare + (bare === "HSP" ? dash : "");
    const [, digits] = /^(?:HSP)?([0-9]{1,8})$/.exec(bare) || [];
    if (!digits) return text;
    const [first, last] = [digits.slice(0, 4), digits.slice(4)];
    return `HSP-${first}${last ? "-" + last : first.length === 4 ? dash : ""}`;
  }

  /* Writes a national number in the groups of an example, and leaves other text as it is. */
  function asPhone(text, input) {
    const example = exampleFor(input);
    const digits = plain(text).replace(/[\s()-]/g, "");
    const sizes = (example.match(/[0-9]+/g) || []).map((group) => group.length);
    if (!/^\p{Nd}+$/u.test(digits)) return text;
    const signs = [...digits];
    // A zero before the number belongs to none of the groups.
    const zero = fold(digits)[0] === "0" && example[0] !== "0" ? signs.shift() : "";
    if (signs.length > sizes.reduce((sum, size) => sum + size, 0)) return digits;
    return zero + sizes.map((size) => signs.splice(0, size).join("")).filter(Boolean).join(" ");
  }

  function exampleFor(input) {
    const region = input.form.querySelector("select");
    return (region ? region.selectedOptions[0] : input).dataset.example || "";
  }

  const FORMATS = { pass: asPassCode, phone: asPhone };
  const signsIn = (text) => (text.match(/[\p{L}\p{Nd}]/gu) || []).length;

  /*
   * Formats a field, and keeps the caret behind the letter or digit that it was behind. Deleting
   * forwards takes it past a dash or space, which comes back.
   */
  function format(input, forwards) {
    const { value, selectionStart } = input;
    const text = FORMATS[input.dataset.format](value, input);
    if (text === value) return;
    let left = signsIn(value.slice(0, selectionStart)) + signsIn(text) - signsIn(value);
    let place = selectionStart === value.length ? text.length : 0;
    for (; place < text.length && left > 0; place += 1) left -= signsIn(text[place]);
    while (forwards && place < text.length && !signsIn(text[place])) place += 1;
    input.value = text;
    input.setSelectionRange(place, place);
  }

  /* While a keyboard composes a word, as Android's do, the text is its own. */
  for (const act of ["input", "compositionend"]) {
    document.addEventListener(act, (event) => {
      if (!event.target.dataset.format || event.isComposing) return;
      format(event.target, event.inputType === "deleteContentForward");
    });
  }

  /* Shows an example number of the chosen country. */
  function exemplify() {
    for (const input of main().querySelectorAll("[data-format=phone]")) {
      const hint = input.form.querySelector("[data-hint]");
      const example = exampleFor(input);
      hint.textContent = example ? hint.dataset.hint.replace("{number}", example) : "";
    }
  }

  document.addEventListener("change", (event) => {
    if (event.target.id === "region") exemplify();
  });

  /* The code */

  /* Marks the box of the next digit, with a caret of its own. */
  function mark() {
    const input = document.getElementById("code");
    if (!input) return;
    const { value, selectionStart, selectionEnd, parentElement } = input;
    const boxes = [...parentElement.querySelectorAll("i")];
    const typing = document.activeElement === input && selectionStart === selectionEnd;
    const here = typing ? boxes[Math.min(selectionStart, boxes.length - 1)] : null;
    for (const box of boxes) box.classList.toggle("here", box === here);
    parentElement.classList.add("marked");
    const atEnd = selectionStart === value.length && value.length < boxes.length;
    parentElement.classList.toggle("caret", typing && atEnd);
  }

  for (const act of ["selectionchange", "focusin", "focusout", "input", "keyup"]) {
    document.addEventListener(act, mark);
  }

  function fill(input, text, typed) {
    const digits = Number(input.dataset.digits);
    const code = codeIn(text, digits);
    if (input.value !== code) input.value = code;
    if (code.length === digits && !busy) input.form.requestSubmit();
    else if (typed && input.getAttribute("aria-invalid")) input.removeAttribute("aria-invalid");
  }

  document.addEventListener("input", (event) => {
    const input = event.target;
    if (input.id === "code" && !event.isComposing) fill(input, input.value, true);
  });

  document.addEventListener("compositionend", (event) => {
    if (event.target.id === "code") fill(event.target, event.target.value, true);
  });

  document.addEventListener("paste", (event) => {
    if (event.target.id !== "code") return;
    const text = event.clipboardData.getData("text");
    if (!/\p{Nd}/u.test(text)) return;
    event.preventDefault();
    const digits = Number(event.target.dataset.digits);
    const whole = codeIn(text, digits);
    // A part is inserted at the caret; a whole code replaces the content.
    if (whole.length === digits) return fill(event.target, whole);
    const { value, selectionStart, selectionEnd } = event.target;
    fill(event.target, value.slice(0, selectionStart) + whole + value.slice(selectionEnd));
  });

  function stopAwaiting() {
    if (awaited) awaited.abort();
    awaited = null;
  }

  /* Lets the browser read the message if it can and its user agrees (WebOTP). */
  async function awaitMessage(input) {
    if (!("OTPCredential" in window) || !navigator.credentials) return;
    const mine = new AbortController();
    awaited = mine;
    try {
      const found = await navigator.credentials.get({
        otp: { transport: ["sms"] },
        signal: mine.signal,
      });
      if (found && found.code && input.isConnected && !mine.signal.aborted) fill(input, found.code);
    } catch {
      // Aborted, declined or not available: the user can type the code.
    }
  }

  function start() {
    for (const note of main().querySelectorAll("[data-toast]")) {
      toast(...note.childNodes);
      note.remove();
    }
    hold();
    tick();
    exemplify();
    mark();
    leaveSoon();
    const input = document.getElementById("code");
    if (input) awaitMessage(input);
  }

  addEventListener("pageshow", (event) => {
    if (event.persisted) refresh();
  });

  start();
  const waiting = main().querySelector("[data-work]");
  if (waiting) startWork(waiting, false);
  // Browsers ignore autofocus after a reload.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) focusNext();
    }),
  );
})();
