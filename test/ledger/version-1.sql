-- A ledger as version 1 of its schema left it: after a crash, with a snapshot of the first eight entries.
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
  overage TEXT
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
CREATE TABLE balances (
  account INTEGER NOT NULL REFERENCES accounts,
  window TEXT NOT NULL,
  start_us INTEGER NOT NULL,
  nano_usd INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  PRIMARY KEY (account, window, start_us)
) STRICT, WITHOUT ROWID;
CREATE TABLE limits (
  account TEXT NOT NULL,
  unit TEXT NOT NULL,
  window TEXT NOT NULL,
  amount INTEGER,
  version INTEGER NOT NULL REFERENCES limit_changes,
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
  amount_after INTEGER
) STRICT;
CREATE TABLE keys (
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  start TEXT NOT NULL,
  created_us INTEGER NOT NULL,
  disabled_us INTEGER,
  version INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
INSERT INTO accounts VALUES (1, 'global/acme/alice');
INSERT INTO accounts VALUES (2, 'global/acme/bob');
INSERT INTO accounts VALUES (3, 'global/local');
INSERT INTO accounts VALUES (4, 'global');
INSERT INTO accounts VALUES (5, 'global/acme');
INSERT INTO entries VALUES (1, 1767268800000000, 'reserve', 'r1/0:0', 1, 1000, 10, 10, 1, 1767268800000000, 0, NULL);
INSERT INTO entries VALUES (2, 1767268860000000, 'post', 'r1/0:0', 1, 700, 10, 7, 1, 1767268800000000, 0, NULL);
INSERT INTO entries VALUES (3, 1767308400000000, 'reserve', 'r2/0:0', 2, 2000, 10, 20, 1, 1767308400000000, 0, NULL);
INSERT INTO entries VALUES (4, 1767315600000000, 'extend', 'r2/0:0', 2, 400, 10, 4, 1, 1767308400000000, 0, NULL);
INSERT INTO entries VALUES (5, 1767315600000001, 'post', 'r2/0:0', 2, 2600, 10, 26, 1, 1767308400000000, 0, '{"nanoUsd":200,"inputTokens":0,"outputTokens":2,"requests":0}');
INSERT INTO entries VALUES (6, 1767319200000000, 'reserve', 'r3/0:0', 1, 3000, 10, 30, 1, 1767319200000000, 0, NULL);
INSERT INTO entries VALUES (7, 1767319200000005, 'post', 'r3/0:0', 1, 3000, 10, 30, 1, 1767319200000000, 1, NULL);
INSERT INTO entries VALUES (8, 1767319200000006, 'reserve', 'r4/0:0', 3, 500, 10, 5, 1, 1767319200000006, 0, NULL);
INSERT INTO entries VALUES (9, 1767322800000000, 'reserve', 'r5/0:0', 1, 900, 10, 9, 1, 1767322800000000, 0, NULL);
INSERT INTO entries VALUES (10, 1767322809000000, 'extend', 'r5/0:0', 1, 100, 10, 1, 1, 1767322800000000, 0, NULL);
INSERT INTO entries VALUES (11, 1767322810000000, 'reserve', 'r6/0:0', 2, 800, 10, 8, 1, 1767322810000000, 0, NULL);
INSERT INTO entries VALUES (12, 1767322811000000, 'void', 'r6/0:0', 2, 800, 10, 8, 1, 1767322810000000, 0, NULL);
INSERT INTO snapshot VALUES (1, 8, 1767319200000006, '[{"id":"r4/0:0","account":"global/local","parts":[{"atUs":1767319200000006,"charge":{"nanoUsd":500,"inputTokens":10,"outputTokens":5,"requests":1}}],"charge":{"nanoUsd":500,"inputTokens":10,"outputTokens":5,"requests":1}}]');
INSERT INTO balances VALUES (1, 'day', 1767225600000000, 700, 10, 7, 1);
INSERT INTO balances VALUES (1, 'day', 1767312000000000, 3000, 10, 30, 1);
INSERT INTO balances VALUES (1, 'total', 0, 3700, 20, 37, 2);
INSERT INTO balances VALUES (2, 'day', 1767225600000000, 2000, 10, 20, 1);
INSERT INTO balances VALUES (2, 'day', 1767312000000000, 600, 0, 6, 0);
INSERT INTO balances VALUES (2, 'total', 0, 2600, 10, 26, 1);
INSERT INTO balances VALUES (3, 'day', 1767312000000000, 0, 0, 0, 0);
INSERT INTO balances VALUES (3, 'total', 0, 0, 0, 0, 0);
INSERT INTO balances VALUES (4, 'day', 1767225600000000, 2700, 20, 27, 2);
INSERT INTO balances VALUES (4, 'day', 1767312000000000, 3600, 10, 36, 1);
INSERT INTO balances VALUES (4, 'total', 0, 6300, 30, 63, 3);
INSERT INTO balances VALUES (5, 'day', 1767225600000000, 2700, 20, 27, 2);
INSERT INTO balances VALUES (5, 'day', 1767312000000000, 3600, 10, 36, 1);
INSERT INTO balances VALUES (5, 'total', 0, 6300, 30, 63, 3);
INSERT INTO limit_changes VALUES (1, 1767268800000000, 'operator', 'global/acme', 'usd', 'day', NULL, 5000000000);
INSERT INTO limit_changes VALUES (2, 1767268800000000, 'operator', 'global/acme/alice', 'tokens', 'total', NULL, 9000);
INSERT INTO limits VALUES ('global/acme', 'usd', 'day', 5000000000, 1);
INSERT INTO limits VALUES ('global/acme/alice', 'tokens', 'total', 9000, 2);
INSERT INTO keys VALUES ('acme', 'alice', 'ZCnFDNSUrZomHVOtNSx0f_FMSDzJoJm6VRLqjdcTN1Y', 'hg-xAbyw', 1767268800000000, NULL, 1);
INSERT INTO keys VALUES ('acme', 'bob', '2hs9tSum16DYLbjRk67WOwj8ITy8vAtDVaTTg3tx4wg', 'hg-4G1M6', 1767268800000000, NULL, 2);
PRAGMA application_id = 1212632135;
PRAGMA user_version = 1;
