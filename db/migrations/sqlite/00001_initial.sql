-- +goose Up
CREATE TABLE "settings" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL,
    "updated_at" DATETIME NOT NULL
);

CREATE TABLE "leases" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "holder" TEXT NOT NULL,
    "fence" INTEGER NOT NULL,
    "expires_at" DATETIME NOT NULL
);

CREATE TABLE "users" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "updated_at" DATETIME NOT NULL
);
CREATE UNIQUE INDEX "users_name" ON "users" ("name");

CREATE TABLE "sessions" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "hash" TEXT NOT NULL,
    "user_id" INTEGER NOT NULL,
    "address" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "last_used_at" DATETIME NOT NULL,
    "expires_at" DATETIME NOT NULL,
    FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);
CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash");
CREATE INDEX "sessions_user_id" ON "sessions" ("user_id");
CREATE INDEX "sessions_expires_at" ON "sessions" ("expires_at");

CREATE TABLE "api_tokens" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "last_used_at" DATETIME
);
CREATE UNIQUE INDEX "api_tokens_name" ON "api_tokens" ("name");
CREATE UNIQUE INDEX "api_tokens_hash" ON "api_tokens" ("hash");

CREATE TABLE "hosts" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "agent_sn" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "fqdn" TEXT NOT NULL,
    "cluster" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "tags" TEXT NOT NULL,
    "os_name" TEXT NOT NULL,
    "arch" TEXT NOT NULL,
    "agent_version" TEXT NOT NULL,
    "facts" TEXT,
    "step" INTEGER NOT NULL,
    "started_at" DATETIME,
    "last_seen_at" DATETIME,
    "task_id" INTEGER,
    "draft_id" INTEGER,
    "registered_at" DATETIME,
    "created_at" DATETIME NOT NULL,
    "updated_at" DATETIME NOT NULL
);
CREATE UNIQUE INDEX "hosts_agent_sn" ON "hosts" ("agent_sn");
CREATE INDEX "hosts_name_id" ON "hosts" ("name", "id");
CREATE INDEX "hosts_state_name_id" ON "hosts" ("state", "name", "id");
CREATE INDEX "hosts_draft_id" ON "hosts" ("draft_id");

CREATE TABLE "child_agents" (
    "host_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "uptime" INTEGER NOT NULL,
    "seen_at" DATETIME NOT NULL,
    PRIMARY KEY ("host_id", "name"),
    FOREIGN KEY ("host_id") REFERENCES "hosts" ("id") ON DELETE CASCADE
);

CREATE TABLE "operations" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "kind" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "cluster" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "parallel" INTEGER NOT NULL,
    "params" BLOB,
    "created_by" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "started_at" DATETIME,
    "finished_at" DATETIME
);
CREATE INDEX "operations_state" ON "operations" ("state");
CREATE INDEX "operations_finished_at" ON "operations" ("finished_at");

CREATE TABLE "tasks" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "operation_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "error_code" TEXT NOT NULL,
    "error_cause" TEXT NOT NULL,
    "error_hint" TEXT NOT NULL,
    "error_args" TEXT,
    "params" BLOB,
    "memory" BLOB,
    "step_index" INTEGER NOT NULL,
    "step" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "host_id" INTEGER,
    "log_size" INTEGER NOT NULL,
    "note" TEXT NOT NULL,
    "started_at" DATETIME,
    "finished_at" DATETIME,
    "updated_at" DATETIME NOT NULL,
    FOREIGN KEY ("operation_id") REFERENCES "operations" ("id") ON DELETE CASCADE
);
CREATE INDEX "tasks_operation_id_state" ON "tasks" ("operation_id", "state");

CREATE TABLE "steps" (
    "task_id" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "log_offset" INTEGER NOT NULL,
    "started_at" DATETIME,
    "finished_at" DATETIME,
    PRIMARY KEY ("task_id", "seq"),
    FOREIGN KEY ("task_id") REFERENCES "tasks" ("id") ON DELETE CASCADE
);

CREATE TABLE "log_chunks" (
    "task_id" INTEGER NOT NULL,
    "start" INTEGER NOT NULL,
    "body" BLOB NOT NULL,
    PRIMARY KEY ("task_id", "start"),
    FOREIGN KEY ("task_id") REFERENCES "tasks" ("id") ON DELETE CASCADE
);

CREATE TABLE "certificates" (
    "serial" TEXT NOT NULL PRIMARY KEY,
    "agent_sn" TEXT NOT NULL,
    "hostname" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "key_hash" TEXT NOT NULL,
    "token_id" INTEGER,
    "not_before" DATETIME NOT NULL,
    "not_after" DATETIME NOT NULL,
    "task_id" INTEGER,
    "draft_id" INTEGER,
    "cluster" TEXT NOT NULL,
    "revoked_at" DATETIME,
    "created_at" DATETIME NOT NULL
);
CREATE INDEX "certificates_agent_sn" ON "certificates" ("agent_sn");
CREATE INDEX "certificates_not_after" ON "certificates" ("not_after");
CREATE INDEX "certificates_token_id" ON "certificates" ("token_id");

CREATE TABLE "enrol_tokens" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "hash" TEXT NOT NULL,
    "hostname" TEXT NOT NULL,
    "cluster" TEXT NOT NULL,
    "task_id" INTEGER,
    "draft_id" INTEGER,
    "uses_left" INTEGER NOT NULL,
    "created_at" DATETIME NOT NULL,
    "expires_at" DATETIME NOT NULL
);
CREATE UNIQUE INDEX "enrol_tokens_hash" ON "enrol_tokens" ("hash");
CREATE INDEX "enrol_tokens_expires_at" ON "enrol_tokens" ("expires_at");

CREATE TABLE "jobs" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "host_id" INTEGER NOT NULL,
    "action" TEXT NOT NULL,
    "payload" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "err_code" INTEGER NOT NULL,
    "message" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "delivered_at" DATETIME,
    "finished_at" DATETIME,
    FOREIGN KEY ("host_id") REFERENCES "hosts" ("id") ON DELETE CASCADE
);
CREATE INDEX "jobs_host_id_created_at" ON "jobs" ("host_id", "created_at");
CREATE INDEX "jobs_state_host_id" ON "jobs" ("state", "host_id");

CREATE TABLE "events" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "time" DATETIME NOT NULL,
    "kind" TEXT NOT NULL,
    "severity" TEXT NOT NULL,
    "host_id" INTEGER,
    "operation_id" INTEGER,
    "actor" TEXT NOT NULL,
    "params" TEXT
);
CREATE INDEX "events_host_id_id" ON "events" ("host_id", "id");
CREATE INDEX "events_severity_id" ON "events" ("severity", "id");

CREATE TABLE "drafts" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "version" INTEGER NOT NULL,
    "step" TEXT NOT NULL,
    "cluster" TEXT NOT NULL,
    "hosts" TEXT NOT NULL,
    "method" TEXT NOT NULL,
    "ssh_user" TEXT NOT NULL,
    "ssh_port" INTEGER NOT NULL,
    "operation_id" INTEGER,
    "created_by" TEXT NOT NULL,
    "finished_at" DATETIME,
    "created_at" DATETIME NOT NULL,
    "updated_at" DATETIME NOT NULL
);
CREATE INDEX "drafts_finished_at_updated_at" ON "drafts" ("finished_at", "updated_at");

CREATE TABLE "ssh_host_keys" (
    "target" TEXT NOT NULL,
    "algorithm" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    PRIMARY KEY ("target", "algorithm")
);

-- +goose Down
DROP TABLE "ssh_host_keys";
DROP TABLE "drafts";
DROP TABLE "events";
DROP TABLE "jobs";
DROP TABLE "enrol_tokens";
DROP TABLE "certificates";
DROP TABLE "log_chunks";
DROP TABLE "steps";
DROP TABLE "tasks";
DROP TABLE "operations";
DROP TABLE "child_agents";
DROP TABLE "hosts";
DROP TABLE "api_tokens";
DROP TABLE "sessions";
DROP TABLE "users";
DROP TABLE "leases";
DROP TABLE "settings";
