import { OperationColumns } from "../../src/format/operation-columns.ts";
import type { Operation } from "../../src/format/operation.ts";
import { planOperations } from "../../src/format/operations-block.ts";

/** Operations as a slot carries them. */
export function columnsOf(operations: readonly Operation[]): OperationColumns {
  const plan = planOperations(operations);
  const block = new Uint8Array(plan.length);
  plan.write(block);
  return new OperationColumns(block, "a test's columns").check();
}
