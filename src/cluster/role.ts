import { invalid } from "../base/errors.ts";
import { nearestName } from "../base/nearest-name.ts";

/*
 * Who an instance is. This file decides and does nothing else; the environment is a parameter.
 *
 *     BRAINY_ROLE (with BRAINY_MODE, when it is a label)
 *       > distributed.role > readOnly, writeOnly, mode, checkpoint > BRAINY_MODE > an error that says how
 */

/** What an instance does for its fleet. */
export type Role = "writer" | "reader" | "hybrid";

/** The variables of the environment that a fleet reads. An empty one counts as absent. */
export interface Environment {
  /** A role, or a label of a workload; a label needs `BRAINY_MODE`. */
  readonly BRAINY_ROLE?: string | undefined;
  /** `read-only` or `write-only`. */
  readonly BRAINY_MODE?: string | undefined;
  readonly BRAINY_INSTANCE_ID?: string | undefined;
  /** Where others reach this instance; published in its heartbeat. */
  readonly SERVICE_ENDPOINT?: string | undefined;
  /** Set by AWS Lambda. */
  readonly AWS_LAMBDA_FUNCTION_NAME?: string | undefined;
}

/** What the options say about the role. */
export interface RoleOptions {
  readonly role?: Role | "auto" | undefined;
  /** The options that say so, for messages: `readOnly: true`. */
  readonly readOnly?: string | undefined;
  readonly writeOnly?: string | undefined;
}

/** A role, and how it was found. */
export interface RoleDecision {
  /** `auto`: it depends on who else is there. */
  readonly role: Role | "auto";
  /** For logs and errors: `BRAINY_ROLE=reader`. */
  readonly because: string;
  /** What said otherwise and was not followed. */
  readonly overrides: readonly string[];
}

/** All roles, for messages and checks. */
export const ROLES: readonly Role[] = ["writer", "reader", "hybrid"];

/** The role by what was said; the first one in the order above wins. */
export function decideRole(environment: Environment, options: RoleOptions): RoleDecision {
  const { AWS_LAMBDA_FUNCTION_NAME: lambda } = environment;
  const said = [
    ...sayings(roleOfEnvironment(environment)),
    ...sayings(options.role, `distributed.role: ${JSON.stringify(options.role)}`),
    ...sayings(options.readOnly && "reader", options.readOnly),
    ...sayings(options.writeOnly && "writer", options.writeOnly),
    ...sayings(roleOfMode(environment), `BRAINY_MODE=${environment.BRAINY_MODE ?? ""}`),
  ];
  const [first] = said;
  if (first === undefined) {
    throw invalid(
      "this instance has no role: set BRAINY_ROLE to writer, reader or hybrid, or pass " +
        "distributed: { role: 'writer' } (or 'reader', 'hybrid', 'auto'), readOnly: true for a reader, " +
        "or writeOnly: true for a writer without an index",
    );
  }
  const overrides = said.filter(({ role }) => role !== first.role).map(({ because }) => because);
  if (first.role !== "auto" || !lambda) return { ...first, overrides };
  return { role: "reader", because: `${first.because} on AWS Lambda`, overrides };
}

/** A decision after an operator's file has had its say: only the environment goes before that. */
export function overrideRole(decision: RoleDecision, role: Role, because: string): RoleDecision {
  if (decision.role === role) return decision;
  const isByEnvironment = decision.because.includes("BRAINY_ROLE=");
  if (isByEnvironment) return { ...decision, overrides: [...decision.overrides, because] };
  return { role, because, overrides: [decision.because, ...decision.overrides] };
}

/** What `auto` comes to where it depends on the others. Two that decide at once may both write. */
export function decideAuto(because: string, hasLiveWriter: boolean): RoleDecision {
  const found = hasLiveWriter ? "a live writer is registered" : "no live writer is registered";
  const role = hasLiveWriter ? "reader" : "writer";
  return { role, because: `${because}, and ${found}`, overrides: [] };
}

interface Saying {
  readonly role: Role | "auto";
  readonly because: string;
}

function sayings(role: Saying | Role | "auto" | "" | undefined, because = ""): readonly Saying[] {
  if (role === undefined || role === "") return [];
  return [typeof role === "string" ? { role, because } : role];
}

function roleOfEnvironment(environment: Environment): Saying | undefined {
  const { BRAINY_ROLE: given, BRAINY_MODE: mode } = environment;
  if (!given) return undefined;
  const role = ROLES.find((one) => one === given);
  if (role !== undefined) return { role, because: `BRAINY_ROLE=${given}` };
  const byMode = roleOfMode(environment);
  if (byMode !== undefined) {
    return { role: byMode, because: `BRAINY_MODE=${mode!} with the label BRAINY_ROLE=${given}` };
  }
  const nearest = nearestName(given, ROLES);
  const hint = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  const auto = given === "auto" ? " To let it be found, pass distributed: { role: 'auto' }." : "";
  throw invalid(
    `BRAINY_ROLE=${given} is none of ${ROLES.join(", ")}, so it is the label of a workload, and a ` +
      `label needs BRAINY_MODE=read-only or write-only beside it.${hint}${auto}`,
  );
}

function roleOfMode({ BRAINY_MODE: mode }: Environment): Role | undefined {
  if (!mode) return undefined;
  if (mode === "read-only") return "reader";
  if (mode === "write-only") return "writer";
  throw invalid(`BRAINY_MODE=${mode} is neither read-only nor write-only`);
}
