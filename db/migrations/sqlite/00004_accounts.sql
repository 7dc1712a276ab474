-- +goose Up
ALTER TABLE "users" ADD COLUMN "disabled_at" DATETIME;
ALTER TABLE "users" ADD COLUMN "last_login_at" DATETIME;

ALTER TABLE "sessions" ADD COLUMN "browser" TEXT NOT NULL DEFAULT '';

ALTER TABLE "api_tokens" ADD COLUMN "role" TEXT NOT NULL DEFAULT 'administrator';
ALTER TABLE "api_tokens" ADD COLUMN "user_id" INTEGER;
ALTER TABLE "api_tokens" ADD COLUMN "created_by" TEXT NOT NULL DEFAULT '';
ALTER TABLE "api_tokens" ADD COLUMN "expires_at" DATETIME;
CREATE INDEX "api_tokens_user_id" ON "api_tokens" ("user_id");

-- +goose Down
DROP INDEX "api_tokens_user_id";
ALTER TABLE "api_tokens" DROP COLUMN "expires_at";
ALTER TABLE "api_tokens" DROP COLUMN "created_by";
ALTER TABLE "api_tokens" DROP COLUMN "user_id";
ALTER TABLE "api_tokens" DROP COLUMN "role";
ALTER TABLE "sessions" DROP COLUMN "browser";
ALTER TABLE "users" DROP COLUMN "last_login_at";
ALTER TABLE "users" DROP COLUMN "disabled_at";
