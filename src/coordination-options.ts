import { unreachable } from "./base/assert.ts";
import { invalid } from "./base/errors.ts";
import type { EventBus } from "./cluster/event-bus.ts";
import { isLoopback, isToken } from "./cluster/relay-token.ts";
import {
  asObject,
  optional,
  refuseUnknown,
  show,
  unsupported,
  wholeNumber,
} from "./option-checks.ts";
import type { DistributedOptions } from "./types.ts";

/** How instances tell each other that something is new, checked. */
export type ResolvedCoordination =
  /** They do not: each looks for itself. */
  | { readonly method: "none" }
  | ResolvedRelay
  /** Through the store. */
  | { readonly method: "s3-polling"; readonly intervalMs: number }
  /** Over a bus of the user's own, which Brainy does not close. */
  | { readonly method: "pubsub"; readonly bus: EventBus };

/** A relay that is reached, and perhaps hosted. */
export interface ResolvedRelay {
  readonly method: "websocket";
  readonly url: string;
  readonly token: string | undefined;
  readonly listen: { readonly port: number; readonly host: string } | undefined;
}

const METHODS = ["none", "s3-polling", "websocket", "pubsub"] as const;

/** Checks `coordinationMethod` and `coordinator` together. Nothing is loaded or opened. */
export function resolveCoordination(
  { coordinationMethod: method = "none", coordinator }: DistributedOptions,
  where: string,
): ResolvedCoordination {
  if (!METHODS.includes(method)) {
    throw invalid(`${where}.coordinationMethod: ${show(method)} is none of ${METHODS.join(", ")}`);
  }
  switch (method) {
    case "none":
      if (coordinator === undefined) return { method };
      throw invalid(
        `${where}.coordinator needs ${where}.coordinationMethod: "websocket" for a relay, "pubsub" ` +
          "for a bus of your own",
      );
    case "websocket":
      return resolveRelay(coordinator, `${where}.coordinator`);
    case "pubsub":
      if (coordinator === undefined) {
        throw unsupported(
          `${where}.coordinationMethod "pubsub" without a bus of your own as ${where}.coordinator`,
        );
      }
      return { method, bus: checkBus(coordinator, `${where}.coordinator`) };
    case "s3-polling":
      return { method, intervalMs: resolveInterval(coordinator, `${where}.coordinator`) };
    default:
      return unreachable(method);
  }
}

function resolveInterval(coordinator: DistributedOptions["coordinator"], where: string): number {
  if (coordinator === undefined) return 1_000;
  const given = asObject(coordinator, where);
  refuseUnknown(given, ["interval"], where);
  const { interval } = given as { readonly interval?: number };
  return optional(interval, `${where}.interval`, 100, 60_000) ?? 1_000;
}

function resolveRelay(
  coordinator: DistributedOptions["coordinator"],
  where: string,
): ResolvedRelay {
  if (coordinator === undefined) {
    throw invalid(
      `${where} must say where the relay is: "ws://host:7070", or { listen: { port: 7070 } } to host it`,
    );
  }
  const given = typeof coordinator === "string" ? { url: coordinator } : coordinator;
  refuseUnknown(asObject(given, where), ["url", "token", "listen"], where);
  const { url, token, listen } = given as {
    readonly url?: unknown;
    readonly token?: unknown;
    readonly listen?: unknown;
  };
  if ((url === undefined) === (listen === undefined)) {
    throw invalid(`${where} needs either \`url\` or \`listen\``);
  }
  if (token !== undefined && !isToken(token)) {
    throw invalid(`${where}.token must be 1 to 512 letters, digits or any of -._~+/=`);
  }
  if (listen === undefined) {
    return { method: "websocket", url: checkUrl(url, `${where}.url`), token, listen };
  }
  const checked = checkListen(listen, `${where}.listen`);
  if (token === undefined && !isLoopback(checked.host)) {
    throw invalid(
      `${where}: others reach ${checked.host}, so it needs a \`token\` that they share`,
    );
  }
  return { method: "websocket", url: urlOfOwn(checked), token, listen: checked };
}

function checkListen(
  listen: unknown,
  where: string,
): { readonly port: number; readonly host: string } {
  const given = asObject(listen, where);
  refuseUnknown(given, ["port", "host"], where);
  const { port, host = "127.0.0.1" } = given as {
    readonly port?: unknown;
    readonly host?: unknown;
  };
  wholeNumber(port, `${where}.port`, 1, 65_535);
  if (typeof host !== "string" || host === "") throw invalid(`${where}.host must be a name`);
  return { port: port as number, host };
}

function urlOfOwn({ port, host }: { readonly port: number; readonly host: string }): string {
  const isAny = host === "0.0.0.0" || host === "::";
  const reached = isAny ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  return `ws://${reached}:${port}`;
}

/** The message leaves out what may be secret: users put tokens into addresses. */
function checkUrl(url: unknown, where: string): string {
  const text = typeof url === "string" ? url : "";
  const parsed = /^wss?:\/\//.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined) throw invalid(`${where} must begin with ws:// or wss://`);
  if (parsed.username !== "" || parsed.password !== "" || parsed.hash !== "") {
    throw invalid(`${where} may hold no user, password or fragment: give \`token\` beside it`);
  }
  return text;
}

function checkBus(given: unknown, where: string): EventBus {
  const bus = asObject(given, where) as Partial<EventBus>;
  for (const name of ["publish", "subscribe", "close"] as const) {
    if (typeof bus[name] !== "function") {
      throw invalid(`${where} is no event bus: it has no function \`${name}\``);
    }
  }
  return bus as EventBus;
}
