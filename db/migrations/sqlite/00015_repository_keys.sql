-- +goose Up
ALTER TABLE "hosts" ADD COLUMN "repository_keys" TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE "hosts" DROP COLUMN "repository_keys";
