import { keepAlive, systemClock } from "./base/clock.ts";
import { BrainyError, invalid } from "./base/errors.ts";
import { nearestName } from "./base/nearest-name.ts";
import { asObject, optional, refuseUnknown } from "./option-checks.ts";
import type { Logger } from "./types.ts";

/** Signals that ask a process to end, as far as it can hear them. */
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGBREAK", "SIGUSR2"] as const;

/** How a process ends when it is told to. */
export interface ShutdownOptions {
  /** Default `SIGTERM` and `SIGINT`. */
  readonly signals?: readonly (typeof SIGNALS)[number][] | undefined;
  /**
   * How long closing may take before the process ends without it, in milliseconds; below the time
   * after which whoever sent the signal kills it. Default 25,000.
   */
  readonly timeoutMs?: number | undefined;
  /** Told when closing failed or took too long. Default: the console. */
  readonly logger?: Pick<Logger, "warn"> | undefined;
}

/** What can be closed: a Brainy, or something around several. */
export interface Closeable {
  close(): Promise<void>;
}

interface Process {
  on(signal: string, listener: () => void): unknown;
  off(signal: string, listener: () => void): unknown;
  listenerCount(signal: string): number;
  exit(code?: number): never;
  exitCode?: number | string | undefined;
}

/**
 * Closes `brain` when the process is told to end, then lets it: what was begun is flushed and
 * acknowledged, its lane is sealed, its heartbeat taken away, so that others see at once that it
 * is gone. Calls that come after the signal are refused with `BRAINY_CLOSED`.
 *
 * The process exits with 0, or 1 when closing failed or took longer than `timeoutMs`, unless
 * somebody else listens to the same signal: who is last ends it. A second signal ends it at once.
 * Returns what undoes it.
 *
 * @example
 * ```ts
 * import Brainy, { shutdownOnSignals } from "brainy";
 *
 * const brain = new Brainy({ storage: "./data" });
 * shutdownOnSignals(brain, { timeoutMs: 10_000 });
 * ```
 * @throws BrainyError `BRAINY_UNSUPPORTED` where there are no signals.
 */
export function shutdownOnSignals(brain: Closeable, options: ShutdownOptions = {}): () => void {
  const { signals, timeoutMs, logger } = resolve(options);
  const { process } = globalThis as { process?: Process };
  if (typeof process?.on !== "function") {
    throw new BrainyError("BRAINY_UNSUPPORTED", "shutdownOnSignals: there are no signals here");
  }
  let isEnding = false;
  const listeners = signals.map((signal) => ({ signal, listener: () => void onSignal(signal) }));
  const undo = (): void => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
  const onSignal = async (signal: string): Promise<void> => {
    // Whoever says it twice does not want to wait.
    if (isEnding) process.exit(1);
    isEnding = true;
    const letGo = keepAlive();
    const problem = await closeWithin(brain, timeoutMs);
    if (problem !== undefined) {
      process.exitCode = 1;
      logger.warn(`brainy: ${problem}; what was acknowledged is durable all the same`);
    }
    undo();
    letGo();
    if (process.listenerCount(signal) === 0) process.exit();
  };
  for (const { signal, listener } of listeners) process.on(signal, listener);
  return undo;
}

/** What went wrong, if anything did. Never rejects. */
async function closeWithin(brain: Closeable, timeoutMs: number): Promise<string | undefined> {
  const waiting = new AbortController();
  const timeout = systemClock.sleep(timeoutMs, waiting.signal).then(
    () => `closing took longer than ${timeoutMs} ms`,
    () => undefined,
  );
  try {
    return await Promise.race([brain.close().then(() => undefined), timeout]);
  } catch (error) {
    return `closing failed: ${String(error)}`;
  } finally {
    waiting.abort();
  }
}

function resolve(options: ShutdownOptions): {
  readonly signals: readonly string[];
  readonly timeoutMs: number;
  readonly logger: Pick<Logger, "warn">;
} {
  const where = "shutdownOnSignals";
  refuseUnknown(asObject(options, where), ["signals", "timeoutMs", "logger"], where);
  const { signals = ["SIGTERM", "SIGINT"], timeoutMs, logger } = options;
  if (!Array.isArray(signals) || signals.length === 0) {
    throw invalid(`${where}.signals must be a list of signals`);
  }
  for (const signal of signals) {
    if (SIGNALS.includes(signal)) continue;
    const nearest = nearestName(String(signal), SIGNALS);
    const advice = nearest === undefined ? SIGNALS.join(", ") : `did you mean ${nearest}?`;
    throw invalid(`${where}.signals: unknown signal ${JSON.stringify(signal)}; ${advice}`);
  }
  const fallback = (globalThis as { console?: Logger }).console ?? { warn: () => undefined };
  return {
    signals: [...new Set(signals)],
    timeoutMs: optional(timeoutMs, `${where}.timeoutMs`, 0, 86_400_000) ?? 25_000,
    logger: logger ?? fallback,
  };
}
