/** Of the tables below; a file made by a later Headgate is refused, one made by an earlier is brought up to it. */
export const SCHEMA_VERSION = 3;

/** What was posted, in every unit that is counted; as columns of a row that sums it up. */
const SUMS = `nano_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    gpu_us INTEGER NOT NULL DEFAULT 0`;

/**
 * Tables that version 1 did not have, as they are now.
 *
 * `usage` is what was posted up to the snapshot, by the account that spent it, the model, and the quarter of an hour (UTC)
 * of when it was held: days of every time zone, and every calendar window longer than a minute, are whole numbers of
 * those. `tracked` lists the windows that are counted in `balances` besides `total`. `zones` is what this ledger knows of
 * time zones; the last row of each says how far. `alerts` has a row for each time that a limit's `notify` threshold was
 * reached in an instance of its window, and how far its delivery is; a limit of another amount has thresholds elsewhere,
 * which can be reached anew.
 */
export const TABLES_SINCE_2 = `
  CREATE TABLE usage (
    account INTEGER NOT NULL REFERENCES accounts,
    quarter_us INTEGER NOT NULL,
    model TEXT NOT NULL,
    ${SUMS},
    PRIMARY KEY (account, quarter_us, model)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tracked (
    window TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (window, account)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE zones (
    zone TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    ahead_us INTEGER NOT NULL,
    PRIMARY KEY (zone, from_us)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    unit TEXT NOT NULL,
    window TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_us INTEGER,
    delivered_us INTEGER,
    UNIQUE (account, unit, window, start_us, percent, amount)
  ) STRICT;
  CREATE INDEX alerts_to_deliver ON alerts (next_try_us) WHERE next_try_us IS NOT NULL;
`;

/**
 * `account` is the path from the root that the key spends on, or, for a role that administers or reads, the key's own
 * place: what it may see is the account above it, with all below.
 */
export const KEYS = `
  CREATE TABLE keys (
    account TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    start TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    disabled_us INTEGER,
    version INTEGER NOT NULL UNIQUE
  ) STRICT, WITHOUT ROWID;
`;

/**
 * `entries` is the truth: one row for each ledger entry, never changed. What it adds up to, up to
 * the sequence in `snapshot`, stands in `balances` and `usage`, so that nobody has to add it all up again; money
 * is in nano-USD and times are in µs. `parts` are those of a hold that was posted in doubt, as JSON, where it had several.
 *
 * `limits` and `keys` are as they stand now, with the version of their last change, by which a
 * running supervisor finds what is new; `limit_changes` is how the limits came about. Thresholds are JSON.
 */
export const SCHEMA = `
  CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
  ) STRICT;

  CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    operation TEXT NOT NULL,
    hold TEXT NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts,
    nano_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    held_at_us INTEGER NOT NULL,
    in_doubt INTEGER NOT NULL,
    overage TEXT,
    model TEXT NOT NULL DEFAULT '',
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    gpu_us INTEGER NOT NULL DEFAULT 0,
    parts TEXT
  ) STRICT;
  CREATE INDEX entries_in_doubt ON entries (hold) WHERE in_doubt = 1;
  CREATE INDEX entries_adjusting ON entries (hold) WHERE operation = 'adjust';
  CREATE INDEX entries_with_overage ON entries (account) WHERE overage IS NOT NULL;

  CREATE TABLE snapshot (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sequence INTEGER NOT NULL,
    clock_us INTEGER NOT NULL,
    holds TEXT NOT NULL
  ) STRICT;
  INSERT INTO snapshot VALUES (1, 0, 0, '[]');

  CREATE TABLE balances (
    account INTEGER NOT NULL REFERENCES accounts,
    window TEXT NOT NULL,
    start_us INTEGER NOT NULL,
    nano_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
    gpu_us INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, window, start_us)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE limits (
    account TEXT NOT NULL,
    unit TEXT NOT NULL,
    window TEXT NOT NULL,
    amount INTEGER,
    version INTEGER NOT NULL REFERENCES limit_changes,
    thresholds TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (account, unit, window)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX limits_by_version ON limits (version);

  CREATE TABLE limit_changes (
    version INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    account TEXT NOT NULL,
    unit TEXT NOT NULL,
    window TEXT NOT NULL,
    amount_before INTEGER,
    amount_after INTEGER,
    thresholds_before TEXT NOT NULL DEFAULT '[]',
    thresholds_after TEXT NOT NULL DEFAULT '[]'
  ) STRICT;

  ${KEYS}
  ${TABLES_SINCE_2}
`;
