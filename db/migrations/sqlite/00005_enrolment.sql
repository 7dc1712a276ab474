-- +goose Up
ALTER TABLE "enrol_tokens" ADD COLUMN "note" TEXT NOT NULL DEFAULT '';
ALTER TABLE "enrol_tokens" ADD COLUMN "networks" TEXT NOT NULL DEFAULT '';
ALTER TABLE "enrol_tokens" ADD COLUMN "tags" TEXT NOT NULL DEFAULT '';
ALTER TABLE "enrol_tokens" ADD COLUMN "uses" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "enrol_tokens" ADD COLUMN "created_by" TEXT NOT NULL DEFAULT '';
ALTER TABLE "enrol_tokens" ADD COLUMN "ended_at" DATETIME;
ALTER TABLE "enrol_tokens" ADD COLUMN "ended_by" TEXT NOT NULL DEFAULT '';
UPDATE "enrol_tokens" SET "uses" = "uses_left";

ALTER TABLE "certificates" ADD COLUMN "tags" TEXT NOT NULL DEFAULT '';
ALTER TABLE "certificates" ADD COLUMN "machine" TEXT NOT NULL DEFAULT '';
CREATE INDEX "certificates_key_hash" ON "certificates" ("key_hash");
CREATE INDEX "certificates_machine_created_at" ON "certificates" ("machine", "created_at");

CREATE TABLE "enrol_requests" (
    "id" INTEGER PRIMARY KEY AUTOINCREMENT,
    "key_hash" TEXT NOT NULL,
    "hostname" TEXT NOT NULL,
    "agent_sn" TEXT NOT NULL,
    "csr" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "machine" TEXT NOT NULL,
    "facts" TEXT,
    "state" TEXT NOT NULL,
    "conflict" TEXT NOT NULL,
    "decided_at" DATETIME,
    "decided_by" TEXT NOT NULL,
    "serial" TEXT NOT NULL,
    "certificate" TEXT NOT NULL,
    "created_at" DATETIME NOT NULL,
    "seen_at" DATETIME NOT NULL
);
CREATE UNIQUE INDEX "enrol_requests_key_hash" ON "enrol_requests" ("key_hash");
CREATE INDEX "enrol_requests_state_hostname_id" ON "enrol_requests" ("state", "hostname", "id");
CREATE INDEX "enrol_requests_state_seen_at" ON "enrol_requests" ("state", "seen_at");

-- +goose Down
DROP TABLE "enrol_requests";
DROP INDEX "certificates_machine_created_at";
DROP INDEX "certificates_key_hash";
ALTER TABLE "certificates" DROP COLUMN "machine";
ALTER TABLE "certificates" DROP COLUMN "tags";
ALTER TABLE "enrol_tokens" DROP COLUMN "ended_by";
ALTER TABLE "enrol_tokens" DROP COLUMN "ended_at";
ALTER TABLE "enrol_tokens" DROP COLUMN "created_by";
ALTER TABLE "enrol_tokens" DROP COLUMN "uses";
ALTER TABLE "enrol_tokens" DROP COLUMN "tags";
ALTER TABLE "enrol_tokens" DROP COLUMN "networks";
ALTER TABLE "enrol_tokens" DROP COLUMN "note";
