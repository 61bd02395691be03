export {
  type Auth,
  type AuthActions,
  AuthProvider,
  type AuthProviderProps,
  useAuth,
  useSecondsUntil,
} from "./auth";
export { type Clock, systemClock } from "./clock";
export { type PassLogin, type PassLoginResult, usePassLogin } from "./pass-login";
export type {
  AskingCode,
  AskingPass,
  AuthState,
  CodeEnd,
  In,
  Refusal,
  Restoring,
  Working,
} from "./state";
