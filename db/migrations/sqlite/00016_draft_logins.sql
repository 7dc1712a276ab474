-- +goose Up
ALTER TABLE "drafts" ADD COLUMN "ssh_become" TEXT NOT NULL DEFAULT '';
ALTER TABLE "drafts" ADD COLUMN "jump_host" TEXT NOT NULL DEFAULT '';
ALTER TABLE "drafts" ADD COLUMN "jump_user" TEXT NOT NULL DEFAULT '';
ALTER TABLE "drafts" ADD COLUMN "jump_port" INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE "drafts" DROP COLUMN "jump_port";
ALTER TABLE "drafts" DROP COLUMN "jump_user";
ALTER TABLE "drafts" DROP COLUMN "jump_host";
ALTER TABLE "drafts" DROP COLUMN "ssh_become";
