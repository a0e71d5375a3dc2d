import type { Command } from "commander";
import { oneOf } from "../option-values.ts";

const LEVELS = ["eventual", "bounded", "strong"] as const;

/** Options of every command that reads records. */
export interface ReadFlags {
  readonly consistency?: (typeof LEVELS)[number] | undefined;
  readonly checkpoint?: string | undefined;
}

/** Adds the options that every reading command has. */
export function addReadOptions(command: Command): Command {
  return command
    .option(
      "--consistency <level>",
      "eventual, bounded or strong; strong first looks for what others wrote",
      oneOf("--consistency", LEVELS),
    )
    .option("--checkpoint <name>", "read the state that this checkpoint names");
}
