import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
  verify,
} from "node:crypto";
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";

const KEY_ID_LENGTH = 16;

/** Whoever can sign checkpoints. */
export interface Signer {
  keyId: string;
  sign(text: string): Buffer;
}

/** Whoever can check them. */
export interface Verifier {
  keyId: string;
  verify(text: string, signature: Uint8Array): boolean;
}

export function keyPath(stateFolder: string): string {
  return join(stateFolder, "audit.key");
}

/** The signer of the folder that the ledger is in; null for a ledger in memory, which nobody audits. Makes the key where there is none. */
export function signerBeside(database: DatabaseSync): Signer | null {
  const path = database.location();
  return path === null ? null : openSigner(dirname(path));
}

/** Throws when the key can't be read or made. */
export function openSigner(stateFolder: string): Signer {
  const key = readPrivateKey(stateFolder) ?? makeKey(stateFolder);
  return {
    keyId: keyIdOf(createPublicKey(key)),
    sign: (text) => sign(null, Buffer.from(text), key),
  };
}

/** As PEM; null where nothing was ever signed. */
export function publicKeyPem(stateFolder: string): string | null {
  const key = readPrivateKey(stateFolder);
  return key === null ? null : createPublicKey(key).export({ type: "spki", format: "pem" }).toString();
}

/** Throws for what is no Ed25519 public key in PEM. */
export function verifierOf(pem: string): Verifier {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw new Error(
      `That is no public key (${(error as Error).message}). \`headgate audit public-key\` prints one.`,
      {
        cause: error,
      },
    );
  }
  if (key.asymmetricKeyType !== "ed25519") {
    throw new Error(
      `Checkpoints are signed with Ed25519 keys, and that is one for ${key.asymmetricKeyType}.`,
    );
  }
  return {
    keyId: keyIdOf(key),
    verify: (text, signature) => verify(null, Buffer.from(text), key, signature),
  };
}

/** The first 64 bits of the hash of the public key (SPKI, DER), in hex. */
function keyIdOf(publicKey: KeyObject): string {
  const der = publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(der).digest("hex").slice(0, KEY_ID_LENGTH);
}

function readPrivateKey(stateFolder: string): KeyObject | null {
  const path = keyPath(stateFolder);
  if (!existsSync(path)) return null;
  try {
    return createPrivateKey(readFileSync(path));
  } catch (error) {
    throw new Error(
      `${path} can't be read as a private key (${(error as Error).message}). Put the right one there; without it, move the file away, and keep the public key to check what it has signed.`,
      { cause: error },
    );
  }
}

/** Of several processes that do this at once, one makes the key and the others find it. */
function makeKey(stateFolder: string): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  const temporary = `${keyPath(stateFolder)}.${randomUUID()}`;
  writeFileSync(temporary, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600, flush: true });
  try {
    linkSync(temporary, keyPath(stateFolder));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary);
  }
  return readPrivateKey(stateFolder)!;
}
