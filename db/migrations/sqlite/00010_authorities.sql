-- +goose Up
ALTER TABLE "certificates" ADD COLUMN "authority" TEXT NOT NULL DEFAULT '';
ALTER TABLE "certificates" ADD COLUMN "renew_asked_at" DATETIME;
CREATE INDEX "certificates_authority_not_after" ON "certificates" ("authority", "not_after");
ALTER TABLE "hosts" ADD COLUMN "trusts" TEXT NOT NULL DEFAULT '';
ALTER TABLE "hosts" ADD COLUMN "certified_by" TEXT NOT NULL DEFAULT '';
CREATE INDEX "enrol_requests_state_conflict" ON "enrol_requests" ("state", "conflict");
CREATE INDEX "events_time_id" ON "events" ("time", "id");

-- +goose Down
DROP INDEX "events_time_id";
DROP INDEX "enrol_requests_state_conflict";
ALTER TABLE "hosts" DROP COLUMN "certified_by";
ALTER TABLE "hosts" DROP COLUMN "trusts";
DROP INDEX "certificates_authority_not_after";
ALTER TABLE "certificates" DROP COLUMN "renew_asked_at";
ALTER TABLE "certificates" DROP COLUMN "authority";
