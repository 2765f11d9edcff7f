import { assert } from "../assert.ts";
import type { CoreConfig } from "../config.ts";
import type { Packet } from "../request.ts";
import type { Turn } from "../turn.ts";
import { pathOf } from "./paths.ts";
import { WaitingLine } from "./waiting-line.ts";

/**
 * Packets without a hold, or without a longer one, by the account that is short: those that wait for their budget, in order of
 * arrival, and those that have only asked for a lease and go on, or not, once there is word of it.
 */
export class Unfunded {
  readonly #turn: Turn;
  readonly #line: WaitingLine;
  readonly #waiting = new Map<string, Set<Packet>>();
  /** Accounts in which money has come free while packets wait for it. */
  readonly #freed = new Set<string>();
  /** Packets that ask for a longer hold, or from their place in line. */
  readonly #asking = new Map<string, Set<Packet>>();

  constructor(turn: Turn, limits: CoreConfig["limits"]) {
    this.#turn = turn;
    this.#line = new WaitingLine(limits);
  }

  /** Packets that wait for their budget. */
  get waiting(): number {
    return this.#line.packets;
  }

  /**
   * The packet would rather wait than be refused; it keeps its place where it waits for that account already. False when too
   * many wait, in all or for its payer: nobody can fill the line for others.
   */
  enter(packet: Packet, account: string): boolean {
    if (packet.waitsFor === account && !packet.isAsking) return true;
    if (packet.waitsFor !== account) this.leave(packet);
    if (!this.#line.hasRoom(packet.request)) return false;
    this.#line.enter(packet.request);
    packet.isAsking = false;
    this.#wait(packet, account);
    return true;
  }

  /** It has asked for a lease to start with. As short as that is, no line has to have room for it; who stands in line keeps his place. */
  ask(packet: Packet, account: string): void {
    if (packet.waitsFor !== null && !packet.isAsking) return this.hear(packet, account);
    if (packet.waitsFor === account) return;
    this.leave(packet);
    packet.isAsking = true;
    this.#wait(packet, account);
  }

  /** `heard` names the packet once there is word of that account. */
  hear(packet: Packet, account: string): void {
    this.#asking.set(account, (this.#asking.get(account) ?? new Set()).add(packet));
  }

  /** There is word of what was asked for of that account. Returns those that `hear` was called for; others are tried again. */
  heard(account: string): Packet[] {
    if (this.#waiting.has(account)) this.#freed.add(account);
    const asking = this.#asking.get(account) ?? [];
    this.#asking.delete(account);
    return [...asking];
  }

  /** It does not wait any more, if it did. */
  leave(packet: Packet): void {
    const { waitsFor: account, fundingTimer } = packet;
    if (account === null) return;
    packet.waitsFor = null;
    packet.fundingTimer = null;
    if (!packet.isAsking) this.#line.leave(packet.request);
    packet.isAsking = false;
    this.#turn.cancel(fundingTimer);
    const waiting = this.#waiting.get(account);
    assert(waiting !== undefined && waiting.delete(packet), `${packet.id} waits for ${account}`);
    // Whoever waited behind it may need less.
    if (waiting.size > 0) this.#freed.add(account);
    else this.#waiting.delete(account);
  }

  /** It is over: nothing that it has asked for concerns it any more. */
  forget(packet: Packet): void {
    this.leave(packet);
    for (const asking of this.#asking.values()) asking.delete(packet);
  }

  /** Money has come free there, and so above. */
  free(account: string): void {
    if (this.#waiting.size === 0) return;
    for (const at of pathOf(account)) if (this.#waiting.has(at)) this.#freed.add(at);
  }

  freeAll(): void {
    for (const account of this.#waiting.keys()) this.#freed.add(account);
  }

  /**
   * Packets to try again, in order of arrival among those that wait: as long as each gets what it needs. Those that have asked for
   * a lease hear of it before others or not, and so do those that are to be refused.
   */
  *toTryAgain(isRefused: (packet: Packet) => boolean): Iterable<Packet> {
    for (const account of this.#freed) {
      this.#freed.delete(account);
      let isStopped = false;
      for (const packet of this.#waiting.get(account) ?? []) {
        const standsInLine = packet.fundingTimer !== null && !packet.isAsking;
        if (isStopped && standsInLine && !isRefused(packet)) continue;
        yield packet;
        // It still waits: those behind it must not overtake it.
        if (packet.waitsFor === account && !packet.isAsking) isStopped = true;
      }
    }
  }

  #wait(packet: Packet, account: string): void {
    packet.waitsFor = account;
    const waiting = this.#waiting.get(account) ?? new Set();
    this.#waiting.set(account, waiting.add(packet));
  }
}
