-- +goose Up
ALTER TABLE "drafts" ADD COLUMN "check_id" INTEGER;

-- +goose Down
ALTER TABLE "drafts" DROP COLUMN "check_id";
