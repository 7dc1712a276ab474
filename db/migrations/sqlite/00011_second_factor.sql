-- +goose Up
ALTER TABLE "users" ADD COLUMN "otp_secret" TEXT NOT NULL DEFAULT '';
ALTER TABLE "users" ADD COLUMN "otp_offered" TEXT NOT NULL DEFAULT '';
ALTER TABLE "users" ADD COLUMN "otp_step" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "users" ADD COLUMN "otp_since" DATETIME;

ALTER TABLE "users" ADD COLUMN "issuer" TEXT NOT NULL DEFAULT '';
ALTER TABLE "users" ADD COLUMN "subject" TEXT NOT NULL DEFAULT '';
CREATE INDEX "users_subject" ON "users" ("subject");

ALTER TABLE "sessions" ADD COLUMN "awaits_code" BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE "sessions" ADD COLUMN "issuer" TEXT NOT NULL DEFAULT '';

CREATE TABLE "recovery_codes" (
    "user_id" INTEGER NOT NULL,
    "hash" TEXT NOT NULL,
    PRIMARY KEY ("user_id", "hash"),
    FOREIGN KEY ("user_id") REFERENCES "users" ("id") ON DELETE CASCADE
);

-- +goose Down
DROP TABLE "recovery_codes";
ALTER TABLE "sessions" DROP COLUMN "issuer";
DELETE FROM "sessions" WHERE "awaits_code";
ALTER TABLE "sessions" DROP COLUMN "awaits_code";
DROP INDEX "users_subject";
ALTER TABLE "users" DROP COLUMN "subject";
ALTER TABLE "users" DROP COLUMN "issuer";
ALTER TABLE "users" DROP COLUMN "otp_since";
ALTER TABLE "users" DROP COLUMN "otp_step";
ALTER TABLE "users" DROP COLUMN "otp_offered";
ALTER TABLE "users" DROP COLUMN "otp_secret";
