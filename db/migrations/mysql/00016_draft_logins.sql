-- +goose Up
ALTER TABLE `drafts` ADD COLUMN `ssh_become` VARCHAR(16) NOT NULL DEFAULT '';
ALTER TABLE `drafts` ADD COLUMN `jump_host` VARCHAR(256) NOT NULL DEFAULT '';
ALTER TABLE `drafts` ADD COLUMN `jump_user` VARCHAR(256) NOT NULL DEFAULT '';
ALTER TABLE `drafts` ADD COLUMN `jump_port` BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE `drafts` DROP COLUMN `jump_port`;
ALTER TABLE `drafts` DROP COLUMN `jump_user`;
ALTER TABLE `drafts` DROP COLUMN `jump_host`;
ALTER TABLE `drafts` DROP COLUMN `ssh_become`;
