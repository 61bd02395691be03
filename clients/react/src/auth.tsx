/** Signing in, for the components below a provider. */

import type { Channel, Client, Sent, WorkRequired } from "@hsp-otp/api";
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useReducer,
  useRef,
  useSyncExternalStore,
} from "react";

import { type Clock, systemClock } from "./clock";
import { type AuthState, reduce, RESTORING } from "./state";

export interface AuthActions {
  /** Look a pass up and text a code to its holder. */
  readonly requestOtp: (passCode: string) => Promise<void>;
  /** Text another code, which replaces the older one. */
  readonly resendOtp: () => Promise<void>;
  /** Call with another code, which replaces the older one; for services that have calls. */
  readonly callInstead: () => Promise<void>;
  /** Present a code. */
  readonly submitOtp: (code: string) => Promise<void>;
  readonly signOut: () => Promise<void>;
  /** Ask the service again who is signed in. */
  readonly reload: () => Promise<void>;
  /** End the work that a code costs: none is sent, and `refusal` says that it is required. */
  readonly cancelWork: () => void;
  /** Go back to the pass code. */
  readonly startOver: () => void;
}

/**
 * How far the customer has come, and what can be done.
 *
 * While a request is on its way, actions do nothing, so that two taps make one request. What came
 * of one stands in the state; none of them rejects.
 */
export type Auth = AuthState & AuthActions;

const AuthContext = createContext<{ readonly auth: Auth; readonly clock: Clock } | null>(null);

export interface AuthProviderProps {
  readonly client: Client;
  readonly clock?: Clock;
  readonly children?: ReactNode;
}

/** What work takes at most, in units of what it takes on average. */
const MOST_WORK = 1.5;

/** Restores the tokens that *client* keeps, and tells the components below who is signed in. */
export function AuthProvider({
  client,
  clock = systemClock,
  children,
}: AuthProviderProps): ReactNode {
  const [state, dispatch] = useReducer(reduce, RESTORING);
  const pending = useRef<object | null>(null);

  const worker = useRef<AbortController | null>(null);

  const once = useCallback(async (work: () => Promise<void>) => {
    if (pending.current !== null) return;
    const mine = {};
    pending.current = mine;
    try {
      dispatch({ type: "busy" });
      await work();
    } finally {
      if (pending.current === mine) pending.current = null;
    }
  }, []);

  const reload = useCallback(
    () =>
      once(async () => {
        const me = await client.me();
        if (me.error === null) dispatch({ type: "known", user: me.user, pass: me.pass });
        // Where the tokens have ended, the client has told so already.
        else if (await client.isSignedIn()) {
          dispatch({ type: "refused", failure: me, now: clock.now() });
        }
      }),
    [client, clock, once],
  );

  useEffect(() => {
    const leave = client.onChange((change) => {
      if (change.signedIn) return; // what submitOtp does is told by its answer
      pending.current = null; // whoever is signed out need not wait for what is on its way
      worker.current?.abort();
      dispatch({
        type: "ended",
        because: change.because === "revoked" ? null : change.because,
      });
    });
    void client.isSignedIn().then((signedIn) => {
      dispatch({ type: "restored", signedIn });
      if (signedIn) void reload();
    });
    return () => {
      leave();
      worker.current?.abort();
    };
  }, [client, reload]);

  const auth = useMemo<Auth>(() => {
    const work = async (refused: WorkRequired): Promise<Sent> => {
      const { seconds } = refused;
      const controller = new AbortController();
      worker.current = controller;
      const tell = (progress: number): void => {
        if (controller.signal.aborted) return;
        dispatch({ type: "working", working: { seconds, progress } });
      };
      tell(0);
      const sent = await refused.solve({
        signal: controller.signal,
        onProgress: ({ done, expected }) => {
          tell(Math.min(1, done / (MOST_WORK * expected)));
        },
      });
      if (worker.current === controller) worker.current = null;
      return sent;
    };
    const send = async (passCode: string, phoneMasked: string, channel: Channel): Promise<void> => {
      const mine = pending.current;
      let sent = await client.sendOtp(passCode, channel);
      // Once: if the service wants more work, the customer decides whether to go on.
      if (sent.error === "work_required") sent = await work(sent);
      if (pending.current !== mine) return; // signed out meanwhile
      dispatch({ type: "sent", passCode, phoneMasked, channel, sent, now: clock.now() });
    };
    const sendAnother = async (channel: Channel): Promise<void> => {
      if (state.step !== "code") return;
      await once(() => send(state.passCode, state.phoneMasked, channel));
    };
    return {
      ...state,
      reload,
      requestOtp: async (passCode) => {
        if (state.step !== "pass") return;
        await once(async () => {
          const found = await client.validatePass(passCode);
          if (found.error === null) await send(passCode, found.phoneMasked, "sms");
          else dispatch({ type: "refused", failure: found, now: clock.now() });
        });
      },
      resendOtp: () => sendAnother("sms"),
      callInstead: () => sendAnother("voice"),
      submitOtp: async (code) => {
        if (state.step !== "code") return;
        const { passCode, challengeId } = state;
        await once(async () => {
          const judged = await client.verifyOtp(passCode, code, challengeId ?? undefined);
          dispatch({ type: "judged", judged, now: clock.now() });
        });
      },
      signOut: async () => {
        await client.revoke();
      },
      cancelWork: () => {
        worker.current?.abort();
      },
      startOver: () => {
        if (pending.current === null) dispatch({ type: "startOver" });
      },
    };
  }, [client, clock, once, reload, state]);

  const value = useMemo(() => ({ auth, clock }), [auth, clock]);
  return <AuthContext.Provider value={value}>{children}</AuthContext.Provider>;
}

function useProvided(): { readonly auth: Auth; readonly clock: Clock } {
  const provided = useContext(AuthContext);
  if (provided === null) throw new Error("useAuth needs an <AuthProvider> around it");
  return provided;
}

/** Who is signed in, how far signing in is, and what can be done. */
export function useAuth(): Auth {
  return useProvided().auth;
}

const TICK_MS = 250;

/** Whole seconds until *at* (of `expiresAt`, `resendAt`, `callAt` or `retryAt`), counting down to 0. */
export function useSecondsUntil(at: number | null): number {
  const { clock } = useProvided();
  const left = (): number => (at === null ? 0 : Math.max(0, Math.ceil((at - clock.now()) / 1000)));
  const subscribe = useCallback(
    (tick: () => void) => (at === null ? () => undefined : clock.every(TICK_MS, tick)),
    [at, clock],
  );
  return useSyncExternalStore(subscribe, left);
}
