import type { ChildProcess } from "node:child_process";

/**
 * Closes the connection that was on its way to a process when that ended. Node (24) forgets it in `node:cluster`: it would
 * stay open, and its client wait for ever. There is one at a time at most: the next is sent when it was taken. Closing one
 * that was taken changes nothing, as Node has closed it here by then.
 */
export function closeLostConnection(child: ChildProcess): void {
  const send = child.send.bind(child) as (...given: unknown[]) => boolean;
  let last: { close?: () => void } | null = null;
  child.send = (...given: unknown[]): boolean => {
    const [, handle] = given;
    if (typeof handle === "object" && handle !== null) last = handle;
    return send(...given);
  };
  child.once("exit", () => last?.close?.());
}
