/** The screens in a browser, for trying them without a phone; from the service's own origin. */

import { createClient, type TokenStorage } from "@hsp-otp/api";
import { AuthProvider } from "@hsp-otp/react";
import { createRoot } from "react-dom/client";

import { type Brand, checkBrand, createLanguage, SignIn } from "../src";
import { themesOf } from "../src/brand";

const KEY = "hsp-otp";

/**
 * Scripts of this origin can read it. That does for trying; customers in a browser have the
 * service's own pages, which keep tokens where no script reaches them.
 */
const browserStorage: TokenStorage = {
  read: () => Promise.resolve(localStorage.getItem(KEY)),
  write: (text) => {
    localStorage.setItem(KEY, text);
    return Promise.resolve();
  },
  remove: () => {
    localStorage.removeItem(KEY);
    return Promise.resolve();
  },
};

const language = createLanguage(navigator.language);
const follow = (): void => {
  document.documentElement.lang = language.tag();
};
language.subscribe(follow);
follow();

const client = createClient({
  baseUrl: location.origin,
  storage: browserStorage,
  language: language.tag,
});

/**
 * A brand to try: `?name=Acme&logo=/static/icon.svg&accent=%238a1c5b&support=help@acme.example`, and
 * `calls=true` for calls.
 */
const { calls, logo, ...told } = Object.fromEntries(new URLSearchParams(location.search));
const brand: Brand = logo ? { ...told, logo: <img src={logo} height={28} alt="" /> } : told;
checkBrand(brand);
const { light, dark } = themesOf(brand);
document.documentElement.style.setProperty("--accent", light.accent);
document.documentElement.style.setProperty("--accent-dark", dark.accent);

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <AuthProvider client={client}>
    <SignIn language={language} brand={brand} calls={calls === "true"} />
  </AuthProvider>,
);
