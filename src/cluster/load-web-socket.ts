import { BrainyError } from "../base/errors.ts";

/** The package `ws`, an optional peer. */
export type WebSocketModule = typeof import("ws");

/** Loads it; `BRAINY_UNSUPPORTED` says how to install it. */
export async function loadWebSocket(
  load: () => Promise<WebSocketModule> = () => import("ws"),
): Promise<WebSocketModule> {
  try {
    return await load();
  } catch (cause) {
    const what = "hints over WebSocket need a package that is not installed: npm install ws";
    throw new BrainyError("BRAINY_UNSUPPORTED", what, { cause });
  }
}
