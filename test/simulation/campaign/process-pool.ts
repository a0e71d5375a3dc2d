import { fork, type ChildProcess } from "node:child_process";
import type { Answer, Task } from "./run-task.ts";

/** What a pool is made from. */
export interface PoolOptions {
  /** The module that each process runs: `child.ts`, compiled. */
  readonly child: string;
  readonly jobs: number;
  /** A run that takes longer has failed. */
  readonly runMsMax: number;
  /** A process that holds more after a run is replaced by a new one. */
  readonly rssBytesMax: number;
}

interface Waiting {
  readonly task: Task;
  readonly resolve: (answer: Answer) => void;
}

/** Processes that run seeds. One that dies or hangs is replaced, and its run has failed. */
export class ProcessPool {
  readonly #options: PoolOptions;
  readonly #waiting: Waiting[] = [];
  readonly #idle: ChildProcess[] = [];
  readonly #children = new Set<ChildProcess>();
  restarts = 0;
  rssBytesMax = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Never rejects: a process that ends or hangs is a failed answer. */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve) => {
      this.#waiting.push({ task, resolve });
      this.#next();
    });
  }

  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #next(): void {
    const child = this.#idle.pop() ?? this.#start();
    const waiting = child && this.#waiting.shift();
    if (child === undefined) return;
    if (waiting === undefined) this.#idle.push(child);
    else this.#give(child, waiting);
  }

  #start(): ChildProcess | undefined {
    if (this.#children.size >= this.#options.jobs) return undefined;
    const child = fork(this.#options.child, {
      execArgv: ["--enable-source-maps", "--max-old-space-size=1024", "--max-semi-space-size=32"],
      serialization: "advanced",
    });
    this.#children.add(child);
    return child;
  }

  #give(child: ChildProcess, { task, resolve }: Waiting): void {
    const { runMsMax, rssBytesMax } = this.#options;
    const end = (answer: Answer, isBroken: boolean): void => {
      clearTimeout(timer);
      child.removeAllListeners("message").removeAllListeners("exit").removeAllListeners("error");
      this.rssBytesMax = Math.max(this.rssBytesMax, answer.rssBytes);
      if (isBroken || answer.rssBytes > rssBytesMax) {
        this.#children.delete(child);
        this.restarts++;
        // It may still report what killing it did.
        child.on("error", () => {});
        child.kill("SIGKILL");
      } else this.#idle.push(child);
      resolve(answer);
      this.#next();
    };
    const broken = (message: string): void => {
      end({ kind: "failed", message, plan: undefined, faults: [], rssBytes: 0 }, true);
    };
    const timer = setTimeout(() => broken(`the run did not end in ${runMsMax} ms`), runMsMax);
    child.on("message", (answer: Answer) => end(answer, false));
    child.on("exit", (code, signal) => broken(`the process ended: ${code ?? signal}`));
    child.on("error", (error) => broken(`the process could not be used: ${error.message}`));
    child.send(task);
  }
}
