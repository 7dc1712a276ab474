-- +goose Up
ALTER TABLE "certificates" ADD COLUMN "revoked_by" TEXT NOT NULL DEFAULT '';
CREATE INDEX "certificates_hostname_serial" ON "certificates" ("hostname", "serial");
CREATE INDEX "certificates_revoked_at" ON "certificates" ("revoked_at");

-- +goose Down
DROP INDEX "certificates_revoked_at";
DROP INDEX "certificates_hostname_serial";
ALTER TABLE "certificates" DROP COLUMN "revoked_by";
