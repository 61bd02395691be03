/** The code: one field, drawn as a box for each digit. */

import { type ReactNode, type RefObject, useState } from "react";
import { Platform, StyleSheet, Text, TextInput, View } from "react-native";

import { codeIn } from "./code";
import { useSpeech } from "./language";
import { styles as parts, web } from "./parts";
import { useTheme } from "./theme";

export interface CodeFieldProps {
  readonly field: RefObject<TextInput | null>;
  readonly digits: number;
  readonly value: string;
  readonly wrong: boolean;
  readonly onChange: (value: string) => void;
  /** Somebody pressed Enter. */
  readonly onSubmit: () => void;
}

/**
 * One field, so that a message's code can be pasted or filled in at once, and a screen reader tells
 * of one thing. It lies over the boxes and shows nothing by itself. It has no `maxLength`, which
 * would cut a pasted message off before its code.
 */
export function CodeField({
  field,
  digits,
  value,
  wrong,
  onChange,
  onSubmit,
}: CodeFieldProps): ReactNode {
  const theme = useTheme();
  const { t } = useSpeech();
  const [focused, setFocused] = useState(false);
  const next = Math.min(value.length, digits - 1);
  return (
    <View>
      <Text style={[parts.label, { color: theme.ink }]}>{t("page.code")}</Text>
      <View>
        <View aria-hidden importantForAccessibility="no-hide-descendants" style={styles.boxes}>
          {Array.from({ length: digits }, (_, place) => (
            <View
              key={place}
              style={[
                styles.box,
                { borderColor: wrong ? theme.bad : theme.edge },
                focused && place === next ? { borderColor: theme.accent, borderWidth: 2.5 } : null,
              ]}
            >
              <Text testID="digit" style={[styles.digit, { color: theme.ink }]}>
                {value[place] ?? ""}
              </Text>
              {focused && place === value.length ? (
                <View testID="caret" style={[styles.caret, { backgroundColor: theme.accent }]} />
              ) : null}
            </View>
          ))}
        </View>
        <TextInput
          ref={field}
          aria-label={t("page.code")}
          autoComplete={Platform.OS === "web" ? "one-time-code" : "sms-otp"}
          autoFocus
          caretHidden
          inputMode="numeric"
          onBlur={() => {
            setFocused(false);
          }}
          onChangeText={(text) => {
            onChange(codeIn(text, value, digits));
          }}
          onFocus={() => {
            setFocused(true);
          }}
          onSubmitEditing={onSubmit}
          returnKeyType="done"
          spellCheck={false}
          style={styles.over}
          submitBehavior="submit"
          textContentType="oneTimeCode"
          value={value}
          {...web({ "aria-describedby": "refusal", "aria-invalid": wrong, blurOnSubmit: false })}
        />
      </View>
    </View>
  );
}

const styles = StyleSheet.create({
  boxes: { flexDirection: "row", gap: 8 },
  box: {
    flex: 1,
    maxWidth: 56,
    height: 56,
    alignItems: "center",
    justifyContent: "center",
    borderWidth: 1.5,
    borderRadius: 12,
  },
  digit: { fontSize: 24, fontWeight: "600" },
  caret: { position: "absolute", width: 2, height: 26 },
  // Not opacity 0: iOS gives such a view no touches.
  over: {
    position: "absolute",
    top: 0,
    right: 0,
    bottom: 0,
    left: 0,
    color: "transparent",
    outlineWidth: 0,
  },
});
