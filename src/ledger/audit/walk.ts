import type { KeptEntryRow } from "../entry-fields.ts";
import { LINKS_PER_CHECKPOINT } from "./chain.ts";
import { type Checkpoint, isSignedBy, parseCheckpointLine } from "./checkpoint.ts";
import { type Head, isAdministrative, type Link, LINK_KINDS, LinkHash, type LinkKind } from "./link.ts";
import { AuditError, guarded } from "./problem.ts";
import type { LinkRead, RecordRead } from "./read-links.ts";
import type { Verifier } from "./signing-key.ts";
import { Unattributed } from "./unattributed.ts";

/** What somebody does with what is covered. */
export interface WalkListener {
  /** Entries, as they are read; before the link's hash is known to be right. */
  entry?(row: KeptEntryRow): void;
  /** Any record. */
  record?(link: Link, record: RecordRead): void;
  /** What all entries so far add up to; null where it is not known. */
  digest(): string | null;
}

export interface WalkOptions {
  /** Where it begins: what comes before is taken as it is. */
  from: Head;
  /** Whose signatures count; null where they are not looked at. */
  verifiers: readonly Verifier[] | null;
  /** One that was kept elsewhere. */
  kept: Checkpoint | null;
  listener: WalkListener;
}

/** Goes along the chain, link by link, and throws an `AuditError` at the first that is not as it was. */
export class Walk {
  readonly #options: WalkOptions;
  #head: Head;
  #checkpointAt: number;
  /** Links of each kind, and records. */
  readonly links: Record<LinkKind, number> = {
    genesis: 0,
    entries: 0,
    administration: 0,
    unattributed: 0,
    checkpoint: 0,
    segment: 0,
  };
  entries = 0;
  /** The last link that a signature vouches for, and with it all before; null where there is none. */
  signedThrough: number | null = null;
  /** To be asked when all else is right. */
  readonly unattributed = new Unattributed();
  #isKeptSeen = false;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#head = options.from;
    this.#checkpointAt = options.from.position;
    this.#compareKept();
  }

  get head(): Head {
    return this.#head;
  }

  /** Links that no signature vouches for. */
  get unsigned(): number {
    return this.#head.position - (this.signedThrough ?? this.#options.from.position);
  }

  take(read: LinkRead): void {
    const { link } = read;
    const { position, kind, count } = link;
    this.#follows(link);
    const last = this.#cover(read);
    if (kind === "checkpoint") this.#checkpoint(position, last);
    this.links[kind] += 1;
    if (kind === "genesis" || kind === "entries") this.entries += count;
    if (kind === "checkpoint" || kind === "genesis") this.#checkpointAt = position;
    this.#head = link;
    const since = position - this.#checkpointAt;
    if (since > LINKS_PER_CHECKPOINT) {
      throw new AuditError("checkpoints", "a checkpoint was taken out", {
        position,
        expected: `one after at most ${LINKS_PER_CHECKPOINT} links`,
        found: `none in ${since} links`,
      });
    }
    this.#compareKept();
  }

  /** A signature under the last link, which stands behind it. */
  close(checkpoint: Checkpoint): void {
    this.#compareSigned(checkpoint, null);
    this.signedThrough = this.#head.position;
  }

  /** There is no more. */
  end(): void {
    const { kept } = this.#options;
    if (kept === null || this.#isKeptSeen) return;
    const { position, sequence } = this.#head;
    const message = kept.position > position ? "the end was cut off" : "what it was made of is not in here";
    throw new AuditError("kept checkpoint", message, {
      position,
      expected: `${kept.position} links, ${kept.sequence} entries`,
      found: `${position} links, ${sequence} entries`,
    });
  }

  #follows({ position, kind, sequence, version, count, hash }: Link): void {
    const fail = (message: string, expected: unknown, found: unknown): never => {
      throw new AuditError("chain", message, { position, expected: String(expected), found: String(found) });
    };
    const head = this.#head;
    if (position !== head.position + 1) fail("links are missing", head.position + 1, position);
    if (!LINK_KINDS.includes(kind)) fail("there is no such kind of link", LINK_KINDS.join(", "), kind);
    if (position === 1 && kind !== "genesis")
      fail("the chain does not begin with its beginning", "genesis", kind);
    if (hash.length !== head.hash.length) fail("that is no hash", head.hash.length, hash.length);
    const hasEntries = kind === "genesis" || kind === "entries";
    const sequenceDue = hasEntries ? head.sequence + count : head.sequence;
    if (sequence !== sequenceDue) fail("the link covers other entries than it should", sequenceDue, sequence);
    const versionDue = isAdministrative(kind) ? head.version + count : head.version;
    if (version !== versionDue)
      fail("the link covers other administration than it should", versionDue, version);
  }

  /** Compares what is covered with the hash, and returns the line of the last record. */
  #cover({ link, records }: LinkRead): string {
    const { position, kind } = link;
    const hash = new LinkHash(this.#head.hash, link);
    let last = "";
    let count = 0;
    let failure: Error | null = null;
    guarded(kind, position, () => {
      for (const record of records) {
        hash.update(`${record.line}\n`);
        last = record.line;
        count += 1;
        // What was changed may make no sense either, but the hash is what tells that it was changed.
        failure ??= this.#tell(link, record);
      }
    });
    if (count !== link.count) {
      const [expected, found] = [`${link.count} records`, String(count)];
      throw new AuditError(kind, `${describe(link, this.#head)} are not all there`, {
        position,
        expected,
        found,
      });
    }
    const [expected, found] = [link.hash.toString("hex"), hash.digest().toString("hex")];
    if (expected !== found) {
      const message = `${describe(link, this.#head)}, or the link, are not what they were when they were written`;
      throw new AuditError(kind, message, { position, expected, found });
    }
    if (failure !== null) throw asProblem(failure, link);
    return last;
  }

  #tell(link: Link, record: RecordRead): Error | null {
    const { listener } = this.#options;
    try {
      this.unattributed.record(link, record);
      listener.record?.(link, record);
      if (link.kind === "genesis" || link.kind === "entries") listener.entry?.(record.row() as KeptEntryRow);
      return null;
    } catch (error) {
      return error as Error;
    }
  }

  #checkpoint(position: number, line: string): void {
    this.#compareSigned(parseCheckpointLine(line), position);
    this.signedThrough = position;
  }

  #compareSigned(checkpoint: Checkpoint, position: number | null): void {
    const { hash, sequence } = this.#head;
    const isOfHead = checkpoint.position === this.#head.position && checkpoint.hash === hash.toString("hex");
    if (!isOfHead || checkpoint.sequence !== sequence) {
      throw new AuditError("checkpoints", "the checkpoint is about something else than the link before it", {
        position,
      });
    }
    checkSignature(checkpoint, this.#options.verifiers, position);
    this.#compareBalances(checkpoint, this.#head.position);
  }

  #compareKept(): void {
    const { kept, verifiers } = this.#options;
    const { position, hash } = this.#head;
    if (kept?.position !== position) return;
    this.#isKeptSeen = true;
    checkSignature(kept, verifiers, null);
    const found = hash.toString("hex");
    if (found !== kept.hash) {
      const message = "the chain is another one than when the checkpoint was made: it was computed anew";
      throw new AuditError("kept checkpoint", message, { position, expected: kept.hash, found });
    }
    this.#compareBalances(kept, position);
    this.signedThrough = position;
  }

  #compareBalances({ balances: expected }: Checkpoint, position: number): void {
    const found = expected === null ? null : this.#options.listener.digest();
    if (found === null || expected === found) return;
    throw new AuditError("checkpoints", "the entries do not add up to the signed balances", {
      position,
      expected,
      found,
    });
  }
}

/** Throws where nobody that is known has signed it. */
export function checkSignature(
  checkpoint: Checkpoint,
  verifiers: readonly Verifier[] | null,
  position: number | null,
): void {
  if (verifiers === null) return;
  const verifier = verifiers.find(({ keyId }) => keyId === checkpoint.key);
  if (verifier === undefined) {
    const known = verifiers.map(({ keyId }) => keyId).join(", ");
    const message =
      "a checkpoint is signed with a key that is not known here; give its public key with --public-key";
    throw new AuditError("signature", message, {
      position,
      expected: known === "" ? "a public key" : known,
      found: checkpoint.key,
    });
  }
  if (isSignedBy(checkpoint, verifier)) return;
  const found = `another signature than that of key ${checkpoint.key}`;
  throw new AuditError("signature", "a checkpoint was changed, or made by somebody without the key", {
    position,
    found,
  });
}

function asProblem(error: Error, { kind, position }: Link): AuditError {
  if (error instanceof AuditError) return error;
  return new AuditError(kind, `it was written like this, but can't have happened: ${error.message}`, {
    position,
  });
}

function describe({ kind, sequence, version }: Link, before: Head): string {
  if (isAdministrative(kind)) return `administrative records ${before.version + 1} to ${version}`;
  if (kind === "genesis" || kind === "entries") return `entries ${before.sequence + 1} to ${sequence}`;
  return `records of the ${kind}`;
}
