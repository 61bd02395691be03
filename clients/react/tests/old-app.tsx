/**
 * An app from before this client: its auth context, whose two calls the hook now makes, and its
 * screen, which is as it was.
 */

import type { Client } from "@hsp-otp/api";
import { createContext, type ReactNode, useContext, useState } from "react";
import { Pressable, Text, TextInput, View } from "react-native";

import { usePassLogin } from "../src";

interface AuthResult {
  success: boolean;
  error?: string;
  message?: string;
  attemptsRemaining?: number;
}

interface AuthContextType {
  isAuthenticated: boolean;
  requestOTP: (passCode: string) => Promise<AuthResult>;
  submitOTP: (passCode: string, otp: string) => Promise<AuthResult>;
}

const AuthContext = createContext<AuthContextType | undefined>(undefined);

interface Props {
  client: Client;
  children: ReactNode;
}

export function OldAuthProvider({ client, children }: Props): ReactNode {
  const [isAuthenticated, setIsAuthenticated] = useState(false);
  const { requestOTP, submitOTP } = usePassLogin(client);

  const submit = async (passCode: string, otp: string): Promise<AuthResult> => {
    const result = await submitOTP(passCode, otp);
    if (result.success) setIsAuthenticated(true);
    return result;
  };

  return (
    <AuthContext.Provider value={{ isAuthenticated, requestOTP, submitOTP: submit }}>
      {children}
    </AuthContext.Provider>
  );
}

function useAuth(): AuthContextType {
  const context = useContext(AuthContext);
  if (!context) throw new Error("useAuth must be used within an AuthProvider");
  return context;
}

export function OldLoginScreen(): ReactNode {
  const { isAuthenticated, requestOTP, submitOTP } = useAuth();
  const [step, setStep] = useState<"pass" | "otp">("pass");
  const [passCode, setPassCode] = useState("");
  const [otp, setOtp] = useState("");
  const [error, setError] = useState("");

  const handleRequest = async (): Promise<void> => {
    setError("");
    const result = await requestOTP(passCode);
    if (result.success) setStep("otp");
    else setError(result.message ?? "Something went wrong. Please try again.");
  };

  const handleSubmit = async (): Promise<void> => {
    setError("");
    const result = await submitOTP(passCode, otp);
    if (result.success) return;
    setOtp("");
    if (result.attemptsRemaining !== undefined) {
      setError(`${result.message ?? "Wrong code."} (${result.attemptsRemaining} left)`);
      return;
    }
    if (result.error === "otp_expired" || result.error === "too_many_attempts") setStep("pass");
    setError(result.message ?? "Something went wrong. Please try again.");
  };

  if (isAuthenticated) return <Text>Welcome</Text>;
  return (
    <View>
      {step === "pass" ? (
        <>
          <TextInput aria-label="Pass code" value={passCode} onChangeText={setPassCode} />
          <Pressable role="button" onPress={() => void handleRequest()}>
            <Text>Send OTP</Text>
          </Pressable>
        </>
      ) : (
        <>
          <TextInput aria-label="OTP" value={otp} onChangeText={setOtp} />
          <Pressable role="button" onPress={() => void handleSubmit()}>
            <Text>Verify</Text>
          </Pressable>
        </>
      )}
      <Text role="alert">{error}</Text>
    </View>
  );
}
