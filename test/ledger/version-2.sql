-- A ledger with an audit as version 2 of its schema left it: after a crash, with a snapshot of the first fifteen entries.
PRAGMA foreign_keys = OFF;
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
    reasoning_tokens INTEGER NOT NULL DEFAULT 0
  ) STRICT;
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
    cached_tokens INTEGER NOT NULL DEFAULT 0,
    reasoning_tokens INTEGER NOT NULL DEFAULT 0,
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
CREATE TABLE usage (
    account INTEGER NOT NULL REFERENCES accounts,
    quarter_us INTEGER NOT NULL,
    model TEXT NOT NULL,
    nano_usd INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
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
CREATE TABLE chain (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;
CREATE TABLE administration (
    version INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    record TEXT NOT NULL
  ) STRICT;
CREATE TABLE checkpoints (
    position INTEGER PRIMARY KEY,
    at_us INTEGER NOT NULL,
    balances BLOB,
    key TEXT NOT NULL,
    signature BLOB NOT NULL
  ) STRICT;
CREATE TABLE segments (
    number INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    first_position INTEGER NOT NULL,
    last_position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    last_hash BLOB NOT NULL,
    file_hash BLOB NOT NULL
  ) STRICT;
INSERT INTO accounts VALUES (1, 'global/acme/alice');
INSERT INTO accounts VALUES (2, 'global');
INSERT INTO accounts VALUES (3, 'global/acme');
INSERT INTO entries VALUES (1, 1767310800000000, 'reserve', 'r1/0:0', 1, 8000, 10, 8, 1, 1767310800000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (2, 1767312600000000, 'extend', 'r1/0:0', 1, 8000, 0, 8, 0, 1767310800000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (3, 1767312660000000, 'post', 'r1/0:0', 1, 12000, 10, 12, 1, 1767310800000000, 0, NULL, 'small', 4, 0);
INSERT INTO entries VALUES (4, 1767312720000000, 'reserve', 'r2/0:0', 1, 8000, 10, 8, 1, 1767312720000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (5, 1767312780000000, 'post', 'r2/0:0', 1, 9000, 10, 9, 1, 1767312720000000, 0, '{"nanoUsd":1000,"inputTokens":0,"cachedTokens":0,"outputTokens":1,"reasoningTokens":0,"requests":0}', 'small', 0, 0);
INSERT INTO entries VALUES (6, 1767312840000000, 'reserve', 'r0/0:0', 1, 8000, 10, 8, 1, 1767312840000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (7, 1767312900000000, 'extend', 'r0/0:0', 1, 8000, 0, 8, 0, 1767312840000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (8, 1767312900000000, 'reserve', 'r3/0:0', 1, 8000, 10, 8, 1, 1767312900000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (9, 1767316200000000, 'extend', 'r3/0:0', 1, 8000, 0, 8, 0, 1767312900000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (10, 1767316260000000, 'reserve', 'r4/0:0', 1, 8000, 10, 8, 1, 1767316260000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (11, 1767316800000000, 'extend', 'r4/0:0', 1, 8000, 0, 8, 0, 1767316260000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (12, 1767319800000000, 'extend', 'r4/0:0', 1, 8000, 0, 8, 0, 1767316260000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (13, 1767319860000000, 'post', 'r3/0:0', 1, 16000, 10, 16, 1, 1767312900000000, 1, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (14, 1767319860000000, 'post', 'r4/0:0', 1, 24000, 10, 24, 1, 1767316260000000, 1, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (15, 1767319920000000, 'adjust', 'r3/0:0', 1, -6000, 0, -6, 0, 1767312900000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (16, 1767319980000000, 'reserve', 'r5/0:0', 1, 8000, 10, 8, 1, 1767319980000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (17, 1767322800000000, 'extend', 'r5/0:0', 1, 8000, 0, 8, 0, 1767319980000000, 0, NULL, 'small', 0, 0);
INSERT INTO entries VALUES (18, 1767322860000000, 'reserve', 'r6/0:0', 1, 8000, 10, 8, 1, 1767322860000000, 0, NULL, 'small', 0, 0);
INSERT INTO snapshot VALUES (1, 15, 1767319920000000, '[{"id":"r0/0:0","account":"global/acme/alice","model":"small","parts":[{"atUs":1767312840000000,"charge":{"nanoUsd":8000,"inputTokens":10,"cachedTokens":0,"outputTokens":8,"reasoningTokens":0,"requests":1}},{"atUs":1767312900000000,"charge":{"nanoUsd":8000,"inputTokens":0,"cachedTokens":0,"outputTokens":8,"reasoningTokens":0,"requests":0}}],"charge":{"nanoUsd":16000,"inputTokens":10,"cachedTokens":0,"outputTokens":16,"reasoningTokens":0,"requests":1}}]');
INSERT INTO balances VALUES (1, 'total', 0, 55000, 40, 55, 4, 4, 0);
INSERT INTO balances VALUES (2, 'total', 0, 55000, 40, 55, 4, 4, 0);
INSERT INTO balances VALUES (3, 'hour', 1767319200000000, 8000, 0, 8, 0, 0, 0);
INSERT INTO balances VALUES (3, 'total', 0, 55000, 40, 55, 4, 4, 0);
INSERT INTO limits VALUES ('global/acme', 'usd', 'hour', 9000000000, 1, '[]');
INSERT INTO limit_changes VALUES (1, 1795278211029000, 'root', 'global/acme', 'usd', 'hour', NULL, 9000000000, '[]', '[]');
INSERT INTO keys VALUES ('global/acme/alice', 'acme', 'alice', 'spend', 'bZ-EfrNlj5ugoJomjSu7DqVkTU_mxO5ldJCTEBpgz_w', 'hg-NU5yW', 1795278211038000, NULL, 1);
INSERT INTO usage VALUES (1, 1767310200000000, 'small', 8000, 10, 0, 8, 0, 1);
INSERT INTO usage VALUES (1, 1767312000000000, 'small', 13000, 10, 4, 13, 0, 1);
INSERT INTO usage VALUES (1, 1767312900000000, 'small', 2000, 10, 0, 2, 0, 1);
INSERT INTO usage VALUES (1, 1767315600000000, 'small', 16000, 10, 0, 16, 0, 1);
INSERT INTO usage VALUES (1, 1767316500000000, 'small', 8000, 0, 0, 8, 0, 0);
INSERT INTO usage VALUES (1, 1767319200000000, 'small', 8000, 0, 0, 8, 0, 0);
INSERT INTO tracked VALUES ('hour', 'global/acme');
INSERT INTO chain VALUES (1, 'genesis', 0, 0, 0, x'e16aea732a430c5353cb0b3e7be89d678f2915c6d98ca7d7476e700e0358f9c6');
INSERT INTO chain VALUES (2, 'administration', 0, 1, 1, x'0d32482b0ddc660e577466962969f25fe68e24414eebd03dd5f1fe91db611db8');
INSERT INTO chain VALUES (3, 'checkpoint', 0, 1, 1, x'd445c7c8b875e48b398f4a7f97b76cf504139f2293f583f1d3e4d3fff5273a0a');
INSERT INTO chain VALUES (4, 'administration', 0, 2, 1, x'3aa01469c790e3739ea47d0c12ccbbc4f31926ff329d5b5ff317a0307484aa7c');
INSERT INTO chain VALUES (5, 'entries', 5, 2, 5, x'd776efafbb264f317c10f4444a2be2ca6f177af94f887fb8f5a6d6e7e0143538');
INSERT INTO chain VALUES (6, 'entries', 15, 2, 10, x'b08eeb14c46d745eb701cee8334164ae3b761b93ad08ea9355904344caf09b95');
INSERT INTO chain VALUES (7, 'checkpoint', 15, 2, 1, x'a31417e8dbbae2113c34fcb24d9d4be8626ae3a576ccab4c22929539326a5bd2');
INSERT INTO chain VALUES (8, 'entries', 18, 2, 3, x'34c0df8cffb609642ad5967efe52c8854fc2b3d861285a7d9000cf5d120cce50');
INSERT INTO administration VALUES (1, 1795278211029000, 'limit', '[1,1795278211029000,"root","global/acme","usd","hour",null,9000000000,"[]","[]"]');
INSERT INTO administration VALUES (2, 1795278211038000, 'key', '["global/acme/alice","spend","bZ-EfrNlj5ugoJomjSu7DqVkTU_mxO5ldJCTEBpgz_w","hg-NU5yW",1795278211038000,null,1,"acme","alice"]');
INSERT INTO checkpoints VALUES (3, 1795278211037000, NULL, '87fb77beb116b1d9', x'ce7944b7198521a4a369a77480d4f06997274cc462ae0d8152f381750bd2b87319d3d2c4e977fe2b4717b50b15c4b90d7e17e4b13fc3b81c9b31a5b589c33a01');
INSERT INTO checkpoints VALUES (7, 1795278211048000, x'f294a0ca622b4cd82992206dedcde5873e53c6ae048233c35cc1c393d630fe80', '87fb77beb116b1d9', x'467d77fb7f2fb3a1dcfb3b9669d9d52ab0a8c0cfa8b76296b8a453f0c0fcf6e8550c94b9185dd3e4dc72f1a7810e1a1f10dd431348a6b3e94530cec5ff770e0b');
CREATE INDEX entries_in_doubt ON entries (hold) WHERE in_doubt = 1;
CREATE INDEX entries_adjusting ON entries (hold) WHERE operation = 'adjust';
CREATE INDEX entries_with_overage ON entries (account) WHERE overage IS NOT NULL;
CREATE INDEX limits_by_version ON limits (version);
CREATE INDEX alerts_to_deliver ON alerts (next_try_us) WHERE next_try_us IS NOT NULL;
CREATE TRIGGER record_limit_insert AFTER INSERT ON limit_changes BEGIN INSERT INTO administration (at_us, kind, record) VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000, 'limit', json_array(new.version, new.at_us, new.changed_by, new.account, new.unit, new.window, new.amount_before, new.amount_after, new.thresholds_before, new.thresholds_after)); END;
CREATE TRIGGER record_key_insert AFTER INSERT ON keys BEGIN INSERT INTO administration (at_us, kind, record) VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000, 'key', json_array(new.account, new.role, new.hash, new.start, new.created_us, new.disabled_us, new.version, new.tenant, new.name)); END;
CREATE TRIGGER record_key_update AFTER UPDATE ON keys BEGIN INSERT INTO administration (at_us, kind, record) VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000, 'key', json_array(new.account, new.role, new.hash, new.start, new.created_us, new.disabled_us, new.version, new.tenant, new.name)); END;
CREATE TRIGGER record_zone_insert AFTER INSERT ON zones BEGIN INSERT INTO administration (at_us, kind, record) VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000, 'zone', json_array(new.zone, new.from_us, new.ahead_us)); END;
PRAGMA application_id = 1212632135;
PRAGMA user_version = 2;
