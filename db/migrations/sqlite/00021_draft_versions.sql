-- +goose Up
ALTER TABLE "drafts" ADD COLUMN "versions" TEXT NOT NULL DEFAULT '';
ALTER TABLE "drafts" ADD COLUMN "review" TEXT NOT NULL DEFAULT '';
ALTER TABLE "drafts" ADD COLUMN "parallel" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "drafts" ADD COLUMN "logins" TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE "drafts" DROP COLUMN "logins";
ALTER TABLE "drafts" DROP COLUMN "parallel";
ALTER TABLE "drafts" DROP COLUMN "review";
ALTER TABLE "drafts" DROP COLUMN "versions";
