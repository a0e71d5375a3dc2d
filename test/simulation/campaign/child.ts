import { runTask, type Task } from "./run-task.ts";

/*
 * One process of a campaign: runs what it is sent, one after another, and answers each. It ends
 * with its parent.
 */
process.on("disconnect", () => process.exit());
// A terminal interrupts parent and children at once; the parent says when it is over.
process.on("SIGINT", () => {});
process.on("message", (task: Task) => {
  void runTask(task).then((answer) => process.send!(answer));
});
