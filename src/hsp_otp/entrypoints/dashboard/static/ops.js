// Keeps the operators' page up to date. Without it, the page works but has to be reloaded by hand.
"use strict";

const live = document.getElementById("live");
const said = document.getElementById("said");
let touched = false;
let pressed = false;
let asking = false;

for (const kind of ["pointerdown", "keydown", "scroll"]) {
  addEventListener(kind, () => { touched = true; }, { passive: true });
}
for (const kind of ["pointerdown", "pointerup", "pointercancel"]) {
  addEventListener(kind, () => { pressed = kind === "pointerdown"; }, { passive: true });
}

function headline() {
  return [...live.querySelectorAll("[data-say]")].map((one) => one.textContent).join(". ");
}

function replace(text) {
  const before = headline();
  const open = new Set([...live.querySelectorAll("details[open]")].map((one) => one.id));
  const scrolled = new Map([...live.querySelectorAll("details[open] .scroll")].map((one) => [one.parentElement.id, one.scrollTop]));
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const path = focused && (focused.id ? `#${CSS.escape(focused.id)}`
    : focused.closest("details") && `#${CSS.escape(focused.closest("details").id)} ${focused.matches("summary") ? "summary" : ".scroll"}`);
  live.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
  reveal(live);
  for (const one of live.querySelectorAll("details")) one.open = open.has(one.id);
  for (const [id, top] of scrolled) {
    const box = document.getElementById(id)?.querySelector(".scroll");
    if (box) box.scrollTop = top;
  }
  if (path) live.querySelector(path)?.focus({ preventScroll: true });
  const now = headline();
  if (now !== before) said.textContent = now;
}

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(`/ops/live${location.search}`, {
      headers: touched ? { "x-ops-active": "1" } : {},
      redirect: "manual",
      cache: "no-store",
    });
    if (answer.type === "opaqueredirect") {
      location.assign("/ops/");
    } else if (answer.ok) {
      touched = false;
      const text = await answer.text();
      // Keep a pressed element until it is released; otherwise the click would be lost.
      if (!pressed) replace(text);
      live.classList.remove("stale");
    } else {
      live.classList.add("stale");
    }
  } catch {
    live.classList.add("stale");
  } finally {
    asking = false;
  }
}

function reveal(where) {
  for (const one of where.querySelectorAll(".copy")) one.hidden = false;
}

function copyBySelection(text) {
  const box = document.createElement("textarea");
  box.className = "unseen";
  box.value = text;
  document.body.append(box);
  box.select();
  const copied = document.execCommand("copy");
  box.remove();
  return copied;
}

async function copy(button) {
  const text = button.dataset.copy;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https there is no such clipboard.
    copied = copyBySelection(text);
    button.focus({ preventScroll: true });
  }
  said.textContent = copied ? `Copied: ${text}` : "It could not be copied. Select the text instead.";
  const label = button.firstElementChild;
  label.textContent = copied ? "Copied" : "Not copied";
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
}

reveal(document);
document.addEventListener("click", (event) => {
  const button = event.target.closest(".copy");
  if (button) copy(button);
});

if (live) {
  setInterval(refresh, Number(live.dataset.every) * 1000);
  document.addEventListener("visibilitychange", refresh);
}
