export * from "./client";
export { EVERYWHERE, type ErrorWord, type Failure, type Operation, WORDS } from "./errors";
export { type Lock, memoryStorage, type TokenStorage } from "./storage";
export {
  CannotSolveError,
  solve,
  SolveAbortedError,
  type SolveOptions,
  type Subtle,
  type Work,
  type WorkParameters,
  type WorkProgress,
} from "./work";
