/** The colours of the service's own pages (entrypoints/pages/static/page.css), in both schemes. */

import { useColorScheme } from "react-native";

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

/** The colours that the device asks for. */
export function useTheme(): Theme {
  return useColorScheme() === "dark" ? DARK : LIGHT;
}
