/** The brand of the screens, and its colours in the device's scheme. */

import { createContext, useContext } from "react";
import { useColorScheme } from "react-native";

import { type Brand, PLAIN, type Theme, type Themes } from "./brand";

interface Look {
  readonly brand: Brand;
  readonly themes: Themes;
}

export const LookContext = createContext<Look>({ brand: {}, themes: PLAIN });

/** Whose screens they are. */
export function useBrand(): Brand {
  return useContext(LookContext).brand;
}

/** The colours that the device asks for. */
export function useTheme(): Theme {
  const { themes } = useContext(LookContext);
  return useColorScheme() === "dark" ? themes.dark : themes.light;
}
