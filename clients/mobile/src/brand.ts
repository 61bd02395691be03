/** Whose screens they are, and whether its colours can be read. */

import type { ReactNode } from "react";

/** The name, colours and links of a service; what is left out is not shown. */
export interface Brand {
  /** Stands at the top of every screen. */
  readonly name?: string;
  /** Stands before the name, at most 40 high; hide it from screen readers if the name is there. */
  readonly logo?: ReactNode;
  /** Of buttons, links and the box to type in: `#` and six hexadecimal digits. */
  readonly accent?: string;
  /** The same where the device wants dark colours; otherwise the accent, lighter. */
  readonly accentDark?: string;
  /** Where people get help: an e-mail address, a telephone number, or a URL with https. */
  readonly support?: string;
  /** URLs with https. */
  readonly terms?: string;
  readonly privacy?: string;
}

const LIGHT = {
  back: "#f3f4f7",
  card: "#ffffff",
  ink: "#161a23",
  soft: "#565e6d",
  line: "#dfe3ea",
  edge: "#828b9b",
  accent: "#2b4bd0",
  onAccent: "#ffffff",
  good: "#0b7240",
  goodTint: "#e5f5ec",
  bad: "#b3201a",
  badTint: "#fdedec",
};

export type Theme = typeof LIGHT;

const DARK: Theme = {
  back: "#0e1117",
  card: "#171b24",
  ink: "#eceff5",
  soft: "#a9b1c1",
  line: "#2a303d",
  edge: "#778196",
  accent: "#a3b4ff",
  onAccent: "#0d1333",
  good: "#63d594",
  goodTint: "#12301f",
  bad: "#ff9e96",
  badTint: "#3a1917",
};

export interface Themes {
  readonly light: Theme;
  readonly dark: Theme;
}

/** The colours of the service's own pages (entrypoints/pages/static/colours.css). */
export const PLAIN: Themes = { light: LIGHT, dark: DARK };

/** The colours of *brand*, in both schemes. */
export function themesOf({ accent, accentDark }: Brand): Themes {
  const dark = accentDark ?? (accent === undefined ? undefined : lightened(accent));
  return {
    light: accent === undefined ? LIGHT : { ...LIGHT, accent },
    dark: dark === undefined ? DARK : { ...DARK, accent: dark, onAccent: DARK.back },
  };
}

/** WCAG 2.2, 1.4.3. */
const LEAST_CONTRAST = 4.5;

const COLOUR = /^#[0-9a-f]{6}$/i;

/**
 * Check what a brand says of itself; the screens do it in development.
 *
 * @throws Error - A colour cannot be read on what it stands on, or something is not of its form.
 */
export function checkBrand(brand: Brand): void {
  const wrong: string[] = [];
  for (const name of ["accent", "accentDark"] as const) {
    const colour = brand[name];
    if (colour === undefined) continue;
    if (!COLOUR.test(colour)) {
      wrong.push(`${name} is not # and six hexadecimal digits`);
      continue;
    }
    const theme = themesOf({ [name]: colour })[name === "accent" ? "light" : "dark"];
    const found = leastContrast(theme);
    if (found < LEAST_CONTRAST) {
      // Rounded down, so that no refused contrast is told as the least one.
      const told = (Math.floor(found * 10) / 10).toFixed(1);
      wrong.push(`${name} has a contrast of ${told}, but needs ${LEAST_CONTRAST}`);
    }
  }
  if (brand.support !== undefined && linkTo(brand.support) === null) {
    wrong.push("support is not an e-mail address, a telephone number or a URL with https");
  }
  for (const name of ["terms", "privacy"] as const) {
    if (brand[name] !== undefined && !HTTPS.test(brand[name])) {
      wrong.push(`${name} is not a URL with https`);
    }
  }
  if (wrong.length > 0) throw new Error(`brand: ${wrong.join("; ")}`);
}

/** The lowest contrast of an accent: with the text on it, and with what links stand on. */
function leastContrast({ accent, onAccent, back, card }: Theme): number {
  return Math.min(...[onAccent, back, card].map((other) => contrast(accent, other)));
}

/** *colour* with as little white as makes it an accent for the dark scheme. */
function lightened(colour: string): string {
  for (let percent = 0; percent < 100; percent += 1) {
    const accent = `#${channels(colour)
      .map((channel) => Math.round(channel + ((255 - channel) * percent) / 100))
      .map((channel) => channel.toString(16).padStart(2, "0"))
      .join("")}`;
    if (leastContrast({ ...DARK, accent, onAccent: DARK.back }) >= LEAST_CONTRAST) return accent;
  }
  return "#ffffff";
}

/** The contrast ratio of two colours, from 1 to 21. */
export function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channels(colour).map((channel) => {
    const value = channel / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function channels(colour: string): number[] {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

const HTTPS = /^https:\/\/[^\s/]+\S*$/;
const MAIL = /^[^\s@:?]+@[^\s@:?]+\.[^\s@:?]+$/;
const TELEPHONE = /^\+?[0-9](?:[ ()-]*[0-9]){2,14}$/;

export interface Link {
  /** As people read it. */
  readonly label: string;
  readonly url: string;
}

/** The link to an e-mail address, a telephone number or a URL; null for anything else. */
export function linkTo(address: string): Link | null {
  if (MAIL.test(address)) return { label: address, url: `mailto:${address}` };
  if (TELEPHONE.test(address)) {
    return { label: address, url: `tel:${address.replace(/[^+0-9]/g, "")}` };
  }
  if (!HTTPS.test(address)) return null;
  return { label: address.replace(/^https:\/\//, "").replace(/\/$/, ""), url: address };
}
