/** The pass code: one field, which writes it as the pass itself does. */

import { type ReactNode, type RefObject, useRef, useState } from "react";
import { Platform, Text, TextInput, View } from "react-native";

import { useSpeech } from "./language";
import { styles, web } from "./parts";
import { caretIn, passCodeIn } from "./pass-code";
import { useTheme } from "./theme";

interface Range {
  readonly start: number;
  readonly end: number;
}

export interface PassCodeFieldProps {
  readonly field: RefObject<TextInput | null>;
  readonly value: string;
  readonly wrong: boolean;
  readonly onChange: (value: string) => void;
  /** Somebody pressed Enter. */
  readonly onSubmit: () => void;
}

/** A field that is formatted while it is typed in, and keeps the caret where it was. */
export function PassCodeField({
  field,
  value,
  wrong,
  onChange,
  onSubmit,
}: PassCodeFieldProps): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const selected = useRef<Range>({ start: 0, end: 0 });
  // Set when the text becomes another than was typed, until the platform has taken it over.
  const [caret, setCaret] = useState<Range | null>(null);
  return (
    <View>
      <Text style={[styles.label, { color: theme.ink }]}>{t("page.pass_code")}</Text>
      <TextInput
        ref={field}
        aria-label={t("page.pass_code")}
        autoCapitalize="characters"
        autoComplete="username"
        autoCorrect={false}
        autoFocus
        // A keyboard that composes words would type them again into the text that replaced them.
        keyboardType={Platform.OS === "android" ? "visible-password" : "default"}
        onChangeText={(typed) => {
          // What stands behind the caret does not change when someone types, deletes or pastes.
          const place = Math.max(0, typed.length - (value.length - selected.current.end));
          const shown = passCodeIn(typed);
          const at = caretIn(typed, place);
          selected.current = { start: at, end: at };
          setCaret(shown === typed ? null : selected.current);
          onChange(shown);
        }}
        onSelectionChange={({ nativeEvent }) => {
          selected.current = nativeEvent.selection;
          setCaret(null);
        }}
        onSubmitEditing={onSubmit}
        returnKeyType="go"
        spellCheck={false}
        style={[styles.field, { borderColor: wrong ? theme.bad : theme.edge, color: theme.ink }]}
        submitBehavior="submit"
        textContentType="username"
        value={value}
        {...(caret === null ? {} : { selection: caret })}
        {...web({
          "aria-describedby": "refusal hint",
          "aria-invalid": wrong,
          blurOnSubmit: false,
        })}
      />
    </View>
  );
}
