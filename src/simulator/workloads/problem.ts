/** What is wrong with a workload that was asked for; the message says where, and is for whoever asked. */
export class WorkloadProblem extends Error {
  override readonly name = "WorkloadProblem";
}
