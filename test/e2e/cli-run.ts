import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { REPOSITORY_ROOT } from "../repository.ts";

const MAIN = join(REPOSITORY_ROOT, "dist/cli/main.js");

/** How a run of the command ended. */
export interface Ended {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command on its way: its process, and how it will end. */
export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
}

export interface RunOptions {
  readonly cwd?: string;
  /** Everything that standard input holds. Default: nothing. */
  readonly input?: string | Uint8Array;
}

/** Starts the built command and leaves its standard input open. */
export function start(args: readonly string[], { cwd }: RunOptions = {}): Running {
  const { BRAINY_DATABASE: _, ...env } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: cwd ?? REPOSITORY_ROOT, env });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  // The command may end before it has read everything.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...output }));
  });
  return { child, ended };
}

/** Runs the built command to its end. */
export function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { child, ended } = start(args, options);
  child.stdin.end(options.input ?? "");
  return ended;
}

/** Runs the command, which must work, and returns what it wrote. */
export async function runOk(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(args, options);
  if (code === 0) return stdout;
  throw new Error(`brainy ${args.join(" ")} ended with ${code}:\n${stderr}`);
}

/** Runs the command with `--json`, and returns the one document that it wrote. */
export async function runJson<T>(args: readonly string[], options: RunOptions = {}): Promise<T> {
  return JSON.parse(await runOk([...args, "--json"], options)) as T;
}

/** The values of a JSONL text. */
export function parseLines<T>(text: string): T[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** A JSONL text of these values. */
export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = makeFolder();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder that its maker removes. */
export function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), "brainy-cli-"));
}
