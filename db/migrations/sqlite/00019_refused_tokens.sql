-- +goose Up
ALTER TABLE "enrol_requests" ADD COLUMN "token_id" INTEGER;
ALTER TABLE "enrol_requests" ADD COLUMN "refusal" TEXT NOT NULL DEFAULT '';
CREATE INDEX "enrol_requests_token_id" ON "enrol_requests" ("token_id");

-- +goose Down
DROP INDEX "enrol_requests_token_id";
ALTER TABLE "enrol_requests" DROP COLUMN "refusal";
ALTER TABLE "enrol_requests" DROP COLUMN "token_id";
