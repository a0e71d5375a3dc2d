import { invalid } from "./base/errors.ts";
import type { EventBus } from "./cluster/event-bus.ts";
import { asObject, show, unsupported } from "./option-checks.ts";
import type { DistributedOptions } from "./types.ts";

/** How instances tell each other that something is new, checked. */
export type ResolvedCoordination =
  /** They do not: each looks for itself. */
  | { readonly method: "none" }
  /** Over a bus of the user's own, which Brainy does not close. */
  | { readonly method: "pubsub"; readonly bus: EventBus };

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
        `${where}.coordinator needs ${where}.coordinationMethod: "pubsub" for a bus of your own`,
      );
    case "pubsub":
      if (coordinator === undefined) {
        throw unsupported(
          `${where}.coordinationMethod "pubsub" without a bus of your own as ${where}.coordinator`,
        );
      }
      return { method, bus: checkBus(coordinator, `${where}.coordinator`) };
    default:
      throw unsupported(`${where}.coordinationMethod ${show(method)}`);
  }
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
