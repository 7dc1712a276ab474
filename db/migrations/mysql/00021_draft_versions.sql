-- +goose Up
ALTER TABLE `drafts` ADD COLUMN `versions` MEDIUMTEXT NOT NULL DEFAULT ('');
ALTER TABLE `drafts` ADD COLUMN `review` VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE `drafts` ADD COLUMN `parallel` BIGINT NOT NULL DEFAULT 0;
ALTER TABLE `drafts` ADD COLUMN `logins` MEDIUMTEXT NOT NULL DEFAULT ('');

-- +goose Down
ALTER TABLE `drafts` DROP COLUMN `logins`;
ALTER TABLE `drafts` DROP COLUMN `parallel`;
ALTER TABLE `drafts` DROP COLUMN `review`;
ALTER TABLE `drafts` DROP COLUMN `versions`;
