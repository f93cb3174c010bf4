-- A schema of version 1, as pg_dump wrote it.
CREATE SCHEMA version_1;
CREATE TABLE version_1.items (
    ledger bigint NOT NULL,
    id bigint NOT NULL,
    key bytea NOT NULL,
    download text NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    failures bigint NOT NULL,
    task bigint,
    other_tasks text,
    file bigint,
    reason text,
    intended_at bigint NOT NULL,
    not_before bigint NOT NULL,
    "position" bigint NOT NULL,
    fence bigint NOT NULL,
    owner bigint NOT NULL,
    noticed boolean NOT NULL,
    hidden boolean NOT NULL
);
CREATE TABLE version_1.ledgers (
    id bigint NOT NULL,
    account text NOT NULL,
    head text NOT NULL,
    servers text NOT NULL
)
WITH (fillfactor='50');
CREATE TABLE version_1.pan123_ledger (
    version integer NOT NULL
);
CREATE TABLE version_1.workers (
    ledger bigint NOT NULL,
    id bigint NOT NULL,
    beat_at bigint,
    lapsed boolean NOT NULL,
    gone boolean NOT NULL
)
WITH (fillfactor='50');
INSERT INTO version_1.items VALUES (6140498423590042493, 3, '\x6974656d2d33', '{"url":"https://example.com/3"}', 'queued', 0, 0, NULL, NULL, NULL, NULL, 0, 0, 3, 0, 0, false, false);
INSERT INTO version_1.items VALUES (6140498423590042493, 2, '\x6974656d2d32', '{"url":"https://example.com/2"}', 'claimed', 0, 0, NULL, NULL, NULL, NULL, 0, 0, 2, 2, 1, false, false);
INSERT INTO version_1.items VALUES (6140498423590042493, 1, '\x6974656d2d31', '{"url":"https://example.com/1"}', 'running', 1, 0, 77, NULL, NULL, NULL, 1795839885471, 0, 1, 1, 1, false, false);
INSERT INTO version_1.ledgers VALUES (6140498423590042493, '{"pan123Ledger":1,"service":"https://open-api.123pan.com","clientId":"client-id"}', '{"items":3,"fences":2,"workers":1,"front":0,"back":3,"counts":{"byState":[1,0,1,0,1,0,0,0,0],"window":{"limit":null,"pause":0,"try_at":0,"growths":0}}}', '[{"system":"7713073568151972188","timeline":"00000001"}]');
INSERT INTO version_1.pan123_ledger VALUES (1);
INSERT INTO version_1.workers VALUES (6140498423590042493, 1, 1795839885465, false, true);
ALTER TABLE ONLY version_1.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (ledger, id);
ALTER TABLE ONLY version_1.ledgers
    ADD CONSTRAINT ledgers_account_key UNIQUE (account);
ALTER TABLE ONLY version_1.ledgers
    ADD CONSTRAINT ledgers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY version_1.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (ledger, id);
CREATE INDEX items_delayed ON version_1.items USING btree (ledger, not_before) WHERE ((state = 'queued'::text) AND (not_before > 0));
CREATE INDEX items_held ON version_1.items USING btree (ledger, owner, id) WHERE (state = ANY (ARRAY['claimed'::text, 'intended'::text, 'running'::text]));
CREATE UNIQUE INDEX items_key ON version_1.items USING btree (ledger, key);
CREATE INDEX items_noticed ON version_1.items USING btree (ledger, owner, id) WHERE noticed;
CREATE INDEX items_queued ON version_1.items USING btree (ledger, "position", not_before) WHERE (state = 'queued'::text);
CREATE INDEX items_state ON version_1.items USING btree (ledger, state, id);
CREATE INDEX items_unconfirmed ON version_1.items USING btree (ledger, intended_at) WHERE (state = 'unconfirmed'::text);
